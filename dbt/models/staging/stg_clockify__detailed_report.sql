{{ clockify.records('detailed_report') }}


select
    workspace_id,
    id as entry_id,
    user_id,
    user_name,
    user_email,
    nullif(client_id, '') as client_id,
    client_name,
    nullif(project_id, '') as project_id,
    project_name,
    nullif(task_id, '') as task_id,
    task_name,
    tags,
    description,
    {{ adapter.quote('type') }} as entry_type,
    billable as is_billable,
    is_locked,
    kiosk_id,
    approval_request_id,
    {{ clockify.json_text('invoicing_info', ['invoiceId']) }} as invoice_id,
    {{ clockify.parse_moment(clockify.json_text('time_interval', ['start'])) }} as started_at,
    {{ clockify.parse_moment(clockify.json_text('time_interval', ['end'])) }} as ended_at,
    cast(
        {{ clockify.parse_number(clockify.json_text('time_interval', ['duration'])) }}
        as {{ clockify.type_count() }}
    ) as report_seconds,
    currency,
    coalesce(earned_rate, rate) as hourly_rate_minor,
    cost_rate as cost_rate_minor,
    coalesce(earned_amount, amount) as billable_amount_minor,
    cost_amount as cost_amount_minor,
    custom_fields,
    cdc_updated_at as version_at,
    namespace
from living
