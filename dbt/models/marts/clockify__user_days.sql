{#- Each day of each listed user, from the day of the first entry to today: capacity and work. -#}
{%- set names = ['MONDAY', 'TUESDAY', 'WEDNESDAY', 'THURSDAY', 'FRIDAY', 'SATURDAY', 'SUNDAY'] -%}
with users as (
    select *
    from {{ ref('clockify__users') }}
    where is_listed
),

working_days as (
    select distinct
        users.workspace_id,
        users.user_id,
        case {{ clockify.json_text('working.value') }}
            {%- for name in names %}
            when '{{ name }}' then {{ loop.index }}
            {%- endfor %}
        end as weekday
    from users
    {{ clockify.join_elements('users.working_days', 'working') }}
),

worked as (
    select
        workspace_id,
        user_id,
        day,
        sum(seconds) as tracked_seconds,
        sum(case when {{ clockify.is_work('entry_type') }} then seconds else 0 end) as worked_seconds,
        sum(case when {{ clockify.is_work('entry_type') }} and is_billable then seconds else 0 end)
            as billable_seconds
    from {{ ref('clockify__time_entries') }}
    -- A mistyped year would make a row for each day since.
    where day between {{ clockify.add_days(clockify.today(), -3660) }} and {{ clockify.today() }}
    group by 1, 2, 3
),

first_days as (
    select
        workspace_id,
        user_id,
        min(day) as first_day
    from worked
    group by 1, 2
),

user_days as (
    select
        users.workspace_id,
        users.user_id,
        users.user_name,
        users.capacity_seconds as profile_seconds,
        -- Without either, a capacity of 0 would be a guess.
        users.capacity_seconds is not null and users.working_days is not null as is_capacity_known,
        days.day,
        {{ clockify.weekday('days.day') }} as weekday
    from users
    inner join first_days
        on users.workspace_id = first_days.workspace_id and users.user_id = first_days.user_id
    {{ clockify.join_days('first_days.first_day', clockify.today(), 'days') }}
),

off as (
    select *
    from {{ ref('int_clockify__user_days_off') }}
),

holiday_dates as (
    select distinct
        user_days.workspace_id,
        user_days.user_id,
        user_days.day
    from user_days
    inner join off
        on user_days.workspace_id = off.workspace_id
        and user_days.user_id = off.user_id
        and off.kind = 'holiday'
        and (
            off.day = user_days.day
            or (
                off.is_annual
                and user_days.day >= off.day
                and extract(month from off.day) = extract(month from user_days.day)
                and extract(day from off.day) = extract(day from user_days.day)
            )
        )
),

time_off as (
    select
        workspace_id,
        user_id,
        day,
        sum(days_off) as days_off,
        sum(seconds_off) as seconds_off
    from off
    where kind = 'time off'
    group by 1, 2, 3
),

joined as (
    select
        user_days.workspace_id,
        user_days.user_id,
        user_days.user_name,
        user_days.day,
        case
            when not user_days.is_capacity_known then null
            when working_days.weekday is null then 0
            else user_days.profile_seconds
        end as capacity_seconds,
        holiday_dates.day is not null as is_holiday,
        time_off.days_off,
        time_off.seconds_off,
        coalesce(worked.tracked_seconds, 0) as tracked_seconds,
        coalesce(worked.worked_seconds, 0) as worked_seconds,
        coalesce(worked.billable_seconds, 0) as billable_seconds
    from user_days
    left join working_days
        on user_days.workspace_id = working_days.workspace_id
        and user_days.user_id = working_days.user_id
        and user_days.weekday = working_days.weekday
    left join holiday_dates
        on user_days.workspace_id = holiday_dates.workspace_id
        and user_days.user_id = holiday_dates.user_id
        and user_days.day = holiday_dates.day
    left join time_off
        on user_days.workspace_id = time_off.workspace_id
        and user_days.user_id = time_off.user_id
        and user_days.day = time_off.day
    left join worked
        on user_days.workspace_id = worked.workspace_id
        and user_days.user_id = worked.user_id
        and user_days.day = worked.day
),

with_time_off as (
    select
        joined.*,
        case when is_holiday then capacity_seconds else 0 end as holiday_seconds,
        case
            when is_holiday then 0
            else least(
                capacity_seconds,
                cast(
                    capacity_seconds * coalesce(days_off, 0) + coalesce(seconds_off, 0)
                    as {{ clockify.type_count() }}
                )
            )
        end as time_off_seconds
    from joined
)

select
    {{ clockify.key('workspace_id', 'user_id', 'day') }} as user_day_key,
    workspace_id,
    user_id,
    user_name,
    day,
    {{ clockify.week_of('day') }} as week_starts_on,
    cast(capacity_seconds as {{ clockify.type_count() }}) as capacity_seconds,
    cast(holiday_seconds as {{ clockify.type_count() }}) as holiday_seconds,
    case when capacity_seconds is not null then cast(time_off_seconds as {{ clockify.type_count() }}) end
        as time_off_seconds,
    cast(capacity_seconds - holiday_seconds - time_off_seconds as {{ clockify.type_count() }})
        as available_seconds,
    cast(tracked_seconds as {{ clockify.type_count() }}) as tracked_seconds,
    cast(worked_seconds as {{ clockify.type_count() }}) as worked_seconds,
    cast(billable_seconds as {{ clockify.type_count() }}) as billable_seconds,
    capacity_seconds is not null as is_capacity_known
from with_time_off
