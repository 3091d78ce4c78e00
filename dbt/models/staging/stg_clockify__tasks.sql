{{ clockify.records('tasks') }}


select
    id as task_id,
    workspace_id,
    project_id,
    name as task_name,
    status as task_status,
    billable as is_billable,
    {{ clockify.iso_seconds('estimate') }} as estimate_seconds,
    budget_estimate as budget_minor,
    {{ clockify.minor_amount('hourly_rate') }} as hourly_rate_minor,
    {{ clockify.minor_amount('cost_rate') }} as cost_rate_minor,
    assignee_ids,
    cdc_updated_at as version_at,
    namespace
from living
