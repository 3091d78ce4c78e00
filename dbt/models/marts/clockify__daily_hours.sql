with entries as (
    select *
    from {{ ref('clockify__time_entries') }}
),

summed as (
    select
        workspace_id,
        day,
        week_starts_on,
        user_id,
        client_id,
        project_id,
        task_id,
        entry_type,
        is_billable,
        currency,
        -- A report's row may have a former name.
        {%- for name in ['workspace_name', 'user_name', 'client_name', 'project_name', 'task_name'] %}
        max({{ name }}) as {{ name }},
        {%- endfor %}
        count(*) as entries,
        sum(case when is_running then 1 else 0 end) as running_entries,
        coalesce(sum(seconds), 0) as seconds,
        sum(billable_amount_minor) as billable_amount_minor,
        sum(cost_amount_minor) as cost_amount_minor,
        sum(case when not is_running and not is_billable_amount_known then seconds else 0 end)
            as seconds_without_billable_amount,
        sum(case when not is_running and not is_cost_amount_known then seconds else 0 end)
            as seconds_without_cost_amount
    from entries
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
)

select
    {{ clockify.key(
        'workspace_id', 'day', 'user_id', 'client_id', 'project_id', 'task_id', 'entry_type',
        'is_billable', 'currency'
    ) }} as daily_hours_key,
    workspace_id,
    workspace_name,
    day,
    week_starts_on,
    user_id,
    user_name,
    client_id,
    client_name,
    project_id,
    project_name,
    task_id,
    task_name,
    entry_type,
    is_billable,
    currency,
    entries,
    running_entries,
    cast(seconds as {{ clockify.type_count() }}) as seconds,
    {{ clockify.hours('seconds') }} as hours,
    billable_amount_minor,
    {{ clockify.major('billable_amount_minor') }} as billable_amount,
    cost_amount_minor,
    {{ clockify.major('cost_amount_minor') }} as cost_amount,
    cast(seconds_without_billable_amount as {{ clockify.type_count() }})
        as seconds_without_billable_amount,
    cast(seconds_without_cost_amount as {{ clockify.type_count() }}) as seconds_without_cost_amount
from summed
