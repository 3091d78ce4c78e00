{#- What keeps a user from work on a day: holidays, and approved time off in seconds. -#}
with users as (
    select *
    from {{ ref('clockify__users') }}
    where is_listed
),

group_members as (
    select
        user_groups.group_id,
        {{ clockify.json_text('member.value') }} as user_id
    from {{ ref('stg_clockify__user_groups') }} as user_groups
    {{ clockify.join_elements('user_groups.user_ids', 'member') }}
),

holidays as (
    select *
    from {{ ref('stg_clockify__holidays') }}
    where first_day is not null and last_day is not null and last_day >= first_day
),

holiday_users as (
    select
        holidays.holiday_id,
        users.workspace_id,
        users.user_id
    from holidays
    inner join users on holidays.workspace_id = users.workspace_id
    where holidays.is_for_everyone
    {{ clockify.union_distinct() }}
    select
        holidays.holiday_id,
        holidays.workspace_id,
        {{ clockify.json_text('chosen.value') }} as user_id
    from holidays
    {{ clockify.join_elements('holidays.user_ids', 'chosen') }}
    {{ clockify.union_distinct() }}
    select
        holidays.holiday_id,
        holidays.workspace_id,
        group_members.user_id
    from holidays
    {{ clockify.join_elements('holidays.user_group_ids', 'chosen') }}
    inner join group_members on group_members.group_id = {{ clockify.json_text('chosen.value') }}
),

holiday_days as (
    select
        holidays.holiday_id,
        holidays.is_annual,
        days.day
    from holidays
    {{ clockify.join_days(
        'holidays.first_day',
        'least(holidays.last_day, ' ~ clockify.add_days('holidays.first_day', 366) ~ ')',
        'days'
    ) }}
),

requests as (
    select
        requests.*,
        case
            when {{ clockify.is_known_zone('requests.time_zone') }} then requests.time_zone
            else users.time_zone_or_fallback
        end as request_zone
    from {{ ref('stg_clockify__time_off_requests') }} as requests
    inner join users
        on requests.workspace_id = users.workspace_id and requests.user_id = users.user_id
    where
        requests.request_status = 'APPROVED'
        and requests.started_at is not null
        and requests.ended_at >= requests.started_at
),

dated_requests as (
    select
        requests.*,
        {{ clockify.local_day('started_at', 'request_zone') }} as first_day,
        {{ clockify.local_day('ended_at', 'request_zone') }} as last_day
    from requests
),

request_days as (
    select
        dated_requests.workspace_id,
        dated_requests.user_id,
        days.day,
        dated_requests.is_half_day,
        dated_requests.time_unit,
        dated_requests.started_at,
        dated_requests.ended_at,
        {{ clockify.day_begins('days.day', 'dated_requests.request_zone') }} as day_begins_at,
        {{ clockify.day_begins(clockify.add_days('days.day', 1), 'dated_requests.request_zone') }}
            as day_ends_at
    from dated_requests
    {{ clockify.join_days(
        'dated_requests.first_day',
        'least(dated_requests.last_day, ' ~ clockify.add_days('dated_requests.first_day', 366) ~ ')',
        'days'
    ) }}
)

select
    holiday_users.workspace_id,
    holiday_users.user_id,
    holiday_days.day,
    'holiday' as kind,
    holiday_days.is_annual,
    cast(null as {{ clockify.type_number() }}) as days_off,
    cast(null as {{ clockify.type_count() }}) as seconds_off
from holiday_days
inner join holiday_users on holiday_days.holiday_id = holiday_users.holiday_id
union all
select
    workspace_id,
    user_id,
    day,
    'time off' as kind,
    false as is_annual,
    case
        when coalesce(time_unit, 'DAYS') <> 'HOURS'
            then cast(case when is_half_day then 0.5 else 1 end as {{ clockify.type_number() }})
    end as days_off,
    case
        when time_unit = 'HOURS'
            then {{ clockify.seconds_between(
                'greatest(started_at, day_begins_at)', 'least(ended_at, day_ends_at)'
            ) }}
    end as seconds_off
from request_days
