{{ clockify.records('summary_report') }}


select
    workspace_id,
    {{ adapter.quote('date') }} as report_day,
    cast(duration as {{ clockify.type_count() }}) as report_seconds,
    amount as billable_amount_minor,
    cdc_updated_at as version_at,
    namespace
from living
