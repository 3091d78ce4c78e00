{#- Each week of each listed user: how much of the capacity was worked, and how much was billable. -#}
with summed as (
    select
        workspace_id,
        user_id,
        max(user_name) as user_name,
        week_starts_on,
        sum(capacity_seconds) as capacity_seconds,
        sum(holiday_seconds) as holiday_seconds,
        sum(time_off_seconds) as time_off_seconds,
        sum(available_seconds) as available_seconds,
        sum(tracked_seconds) as tracked_seconds,
        sum(worked_seconds) as worked_seconds,
        sum(billable_seconds) as billable_seconds,
        count(*) as days
    from {{ ref('clockify__user_days') }}
    group by workspace_id, user_id, week_starts_on
)

select
    {{ clockify.key('workspace_id', 'user_id', 'week_starts_on') }} as user_week_key,
    workspace_id,
    user_id,
    user_name,
    week_starts_on,
    days = 7 as is_whole_week,
    {{ clockify.is_synced('holidays') }} as are_holidays_known,
    {{ clockify.is_synced('time_off_requests') }} as is_time_off_known,
    cast(capacity_seconds as {{ clockify.type_count() }}) as capacity_seconds,
    cast(holiday_seconds as {{ clockify.type_count() }}) as holiday_seconds,
    cast(time_off_seconds as {{ clockify.type_count() }}) as time_off_seconds,
    cast(available_seconds as {{ clockify.type_count() }}) as available_seconds,
    cast(tracked_seconds as {{ clockify.type_count() }}) as tracked_seconds,
    cast(worked_seconds as {{ clockify.type_count() }}) as worked_seconds,
    cast(billable_seconds as {{ clockify.type_count() }}) as billable_seconds,
    case when available_seconds > 0 then {{ clockify.ratio('worked_seconds', 'available_seconds') }} end
        as utilisation,
    case when available_seconds > 0 then {{ clockify.ratio('billable_seconds', 'available_seconds') }} end
        as billable_utilisation
from summed
