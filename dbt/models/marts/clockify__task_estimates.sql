with tracked as (
    select
        task_id,
        count(distinct case when billable_amount_minor <> 0 then currency end) as currencies,
        max(case when billable_amount_minor <> 0 then currency end) as currency,
        sum(seconds) as tracked_seconds,
        sum(billable_amount_minor) as billable_amount_minor,
        sum(case when not is_running and not is_billable_amount_known then 1 else 0 end)
            as entries_without_amount
    from {{ ref('clockify__time_entries') }}
    where task_id is not null
    group by task_id
),

joined as (
    select
        tasks.*,
        projects.project_name,
        -- Clockify sends an estimate of zero for a task without one.
        nullif(tasks.estimate_seconds, 0) as estimate,
        coalesce(tracked.tracked_seconds, 0) as tracked_seconds,
        case when tracked.currencies = 1 then tracked.currency end as currency,
        case
            when coalesce(tracked.entries_without_amount, 0) = 0 and coalesce(tracked.currencies, 0) <= 1
                then coalesce(tracked.billable_amount_minor, 0)
        end as spent_minor
    from {{ ref('stg_clockify__tasks') }} as tasks
    left join {{ ref('stg_clockify__projects') }} as projects on tasks.project_id = projects.project_id
    left join tracked on tasks.task_id = tracked.task_id
)

select
    task_id,
    workspace_id,
    project_id,
    project_name,
    task_name,
    task_status,
    cast(estimate as {{ clockify.type_count() }}) as estimate_seconds,
    cast(tracked_seconds as {{ clockify.type_count() }}) as tracked_seconds,
    cast(estimate - tracked_seconds as {{ clockify.type_count() }}) as remaining_seconds,
    case when estimate > 0 then {{ clockify.ratio('tracked_seconds', 'estimate') }} end as estimate_used,
    currency,
    cast(budget_minor as {{ clockify.type_number() }}) as budget_minor,
    cast(spent_minor as {{ clockify.type_number() }}) as spent_minor,
    case when budget_minor > 0 then {{ clockify.ratio('spent_minor', 'budget_minor') }} end as budget_used
from joined
