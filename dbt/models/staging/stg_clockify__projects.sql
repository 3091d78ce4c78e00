{{ clockify.records('projects') }}


select
    id as project_id,
    workspace_id,
    -- Clockify sends an empty text for a project without a client.
    nullif(client_id, '') as client_id,
    name as project_name,
    archived as is_archived,
    billable as is_billable,
    template as is_template,
    {{ clockify.minor_amount('hourly_rate') }} as hourly_rate_minor,
    {{ clockify.minor_amount('cost_rate') }} as cost_rate_minor,
    memberships,
    {{ clockify.json_text('time_estimate', ['active']) }} = 'true' as has_time_estimate,
    {{ clockify.json_text('time_estimate', ['type']) }} as time_estimate_type,
    {{ clockify.iso_seconds(clockify.json_text('time_estimate', ['estimate'])) }}
        as time_estimate_seconds,
    {{ clockify.json_text('time_estimate', ['resetOption']) }} as time_estimate_reset,
    {{ clockify.json_text('time_estimate', ['includeNonBillable']) }} = 'true'
        as estimate_includes_non_billable,
    {{ clockify.json_text('budget_estimate', ['active']) }} = 'true' as has_budget,
    {{ clockify.json_text('budget_estimate', ['type']) }} as budget_type,
    {{ clockify.parse_number(clockify.json_text('budget_estimate', ['estimate'])) }} as budget_minor,
    {{ clockify.json_text('budget_estimate', ['resetOption']) }} as budget_reset,
    {{ clockify.json_text('budget_estimate', ['includeExpenses']) }} = 'true'
        as budget_includes_expenses,
    estimate_reset,
    cdc_updated_at as version_at,
    namespace
from living
