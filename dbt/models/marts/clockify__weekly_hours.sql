with summed as (
    select
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
        sum(entries) as entries,
        sum(seconds) as seconds,
        sum(billable_amount_minor) as billable_amount_minor,
        sum(cost_amount_minor) as cost_amount_minor
    from {{ ref('clockify__daily_hours') }}
    group by 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13
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
    billable_amount_minor,
    {{ clockify.major('billable_amount_minor') }} as billable_amount,
    cost_amount_minor,
    {{ clockify.major('cost_amount_minor') }} as cost_amount
from summed
