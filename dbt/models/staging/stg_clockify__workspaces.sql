{{ clockify.records('workspaces') }}


select
    id as workspace_id,
    name as workspace_name,
    feature_subscription_type as plan_name,
    {{ clockify.minor_amount('hourly_rate') }} as hourly_rate_minor,
    {{ clockify.json_text('hourly_rate', ['currency']) }} as currency,
    {{ clockify.minor_amount('cost_rate') }} as cost_rate_minor,
    cdc_updated_at as version_at,
    namespace
from living
