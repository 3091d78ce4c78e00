with entries as (
    select *
    from {{ ref('int_clockify__entries') }}
),

named as (
    select
        entries.*,
        workspaces.workspace_name,
        coalesce(users.user_name, entries.report_user_name) as user_name,
        coalesce(users.user_email, entries.report_user_email) as user_email,
        coalesce(projects.project_name, entries.report_project_name) as project_name,
        -- A project that is here may have another client by now than in the report's row.
        case when projects.project_id is not null then projects.client_id else entries.report_client_id end
            as client_id,
        coalesce(
            clients.client_name,
            case
                when projects.project_id is null or projects.client_id = entries.report_client_id
                    then entries.report_client_name
            end
        ) as client_name,
        coalesce(tasks.task_name, entries.report_task_name) as task_name,
        {{ clockify.zone_of('users') }} as time_zone,
        coalesce(
            case when entries.report_agrees then entries.report_currency end,
            entries.currency,
            entries.report_currency,
            clients.currency,
            workspaces.currency
        ) as currency_code,
        approvals.approval_request_id as request_id,
        approvals.approval_state,
        rates.current_hourly_rate_minor,
        rates.current_hourly_rate_of,
        rates.current_cost_rate_minor,
        rates.current_cost_rate_of
    from entries
    left join {{ ref('stg_clockify__workspaces') }} as workspaces
        on entries.workspace_id = workspaces.workspace_id
    left join {{ ref('clockify__users') }} as users
        on entries.workspace_id = users.workspace_id and entries.user_id = users.user_id
    left join {{ ref('stg_clockify__projects') }} as projects on entries.project_id = projects.project_id
    left join {{ ref('stg_clockify__clients') }} as clients
        on case when projects.project_id is not null then projects.client_id else entries.report_client_id end
        = clients.client_id
    left join {{ ref('stg_clockify__tasks') }} as tasks on entries.task_id = tasks.task_id
    left join {{ ref('int_clockify__entry_approvals') }} as approvals
        on entries.entry_id = approvals.entry_id
    left join {{ ref('int_clockify__current_rates') }} as rates on entries.entry_id = rates.entry_id
),

dated as (
    select
        named.*,
        {{ clockify.local_day('started_at', 'time_zone') }} as day,
        {{ clockify.local_day('started_at', "'UTC'") }} as utc_day
    from named
),

rated as (
    {%- set may_use_current = var('clockify_use_current_rates', false) %}
    select
        dated.*,
        {%- for rate in ['hourly_rate', 'cost_rate'] %}
        case
            when {{ rate }}_minor is not null then {{ rate }}_minor
            {%- if may_use_current %}
            else current_{{ rate }}_minor
            {%- endif %}
        end as applied_{{ rate }}_minor,
        case
            when {{ rate }}_minor is not null then 'entry'
            {%- if may_use_current %}
            when current_{{ rate }}_minor is not null then current_{{ rate }}_of
            {%- endif %}
        end as applied_{{ rate }}_of{{ "," if not loop.last }}
        {%- endfor %}
    from dated
),

priced as (
    select
        rated.*,
        case
            when seconds is null then null
            when not is_billable then 0
            when report_agrees and report_billable_amount_minor is not null
                then report_billable_amount_minor
            else applied_hourly_rate_minor * seconds / 3600
        end as billable_minor,
        case
            when seconds is null then null
            when report_agrees and report_cost_amount_minor is not null then report_cost_amount_minor
            else applied_cost_rate_minor * seconds / 3600
        end as cost_minor
    from rated
)

select
    entry_id,
    workspace_id,
    workspace_name,
    user_id,
    user_name,
    user_email,
    client_id,
    client_name,
    project_id,
    project_name,
    task_id,
    task_name,
    description,
    entry_type,
    is_billable,
    is_locked,
    is_running,
    started_at,
    ended_at,
    time_zone,
    day,
    {{ clockify.week_of('day') }} as week_starts_on,
    utc_day,
    seconds,
    {{ clockify.hours('seconds') }} as hours,
    currency_code as currency,
    applied_hourly_rate_minor as hourly_rate_minor,
    applied_hourly_rate_of as hourly_rate_of,
    applied_cost_rate_minor as cost_rate_minor,
    applied_cost_rate_of as cost_rate_of,
    current_hourly_rate_minor,
    current_hourly_rate_of,
    cast(billable_minor as {{ clockify.type_number() }}) as billable_amount_minor,
    {{ clockify.major('billable_minor') }} as billable_amount,
    billable_minor is not null as is_billable_amount_known,
    cast(cost_minor as {{ clockify.type_number() }}) as cost_amount_minor,
    {{ clockify.major('cost_minor') }} as cost_amount,
    cost_minor is not null as is_cost_amount_known,
    request_id as approval_request_id,
    approval_state,
    invoice_id,
    is_in_report or invoice_id is not null as is_invoice_known,
    tag_ids,
    report_tags,
    custom_field_values,
    custom_fields,
    source_stream,
    version_at
from priced
