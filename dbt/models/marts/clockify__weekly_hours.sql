with summed as (
    select
        workspace_id,
        week_starts_on,
        user_id,
        client_id,
        project_id,
        task_id,
        is_billable,
        currency,
        {%- for name in ['workspace_name', 'user_name', 'client_name', 'project_name', 'task_name'] %}
        max({{ name }}) as {{ name }},
        {%- endfor %}
        sum(entries) as entries,
        sum(seconds) as seconds,
        sum(case when {{ clockify.is_work('entry_type') }} then seconds else 0 end) as worked_seconds,
        sum(billable_amount_minor) as billable_amount_minor,
        sum(cost_amount_minor) as cost_amount_minor,
        sum(seconds_without_billable_amount) as seconds_without_billable_amount,
        sum(seconds_without_cost_amount) as seconds_without_cost_amount
    from {{ ref('clockify__daily_hours') }}
    group by 1, 2, 3, 4, 5, 6, 7, 8
)

select
    {{ clockify.key(
        'workspace_id', 'week_starts_on', 'user_id', 'client_id', 'project_id', 'task_id', 'is_billable',
        'currency'
    ) }} as weekly_hours_key,
    workspace_id,
    workspace_name,
    week_starts_on,
    user_id,
    user_name,
    client_id,
    client_name,
    project_id,
    project_name,
    task_id,
    task_name,
    is_billable,
    currency,
    cast(entries as {{ clockify.type_count() }}) as entries,
    cast(seconds as {{ clockify.type_count() }}) as seconds,
    {{ clockify.hours('seconds') }} as hours,
    cast(worked_seconds as {{ clockify.type_count() }}) as worked_seconds,
    {{ clockify.hours('worked_seconds') }} as worked_hours,
    billable_amount_minor,
    {{ clockify.major('billable_amount_minor') }} as billable_amount,
    cost_amount_minor,
    {{ clockify.major('cost_amount_minor') }} as cost_amount,
    cast(seconds_without_billable_amount as {{ clockify.type_count() }})
        as seconds_without_billable_amount,
    cast(seconds_without_cost_amount as {{ clockify.type_count() }}) as seconds_without_cost_amount
from summed
