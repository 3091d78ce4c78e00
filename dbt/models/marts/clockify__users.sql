{#- Each member of each workspace, and each user whom only entries know. -#}
with memberships as (
    select
        users.workspace_id,
        users.user_id,
        max({{ clockify.json_text('member.value', ['membershipStatus']) }}) as membership_status
    from {{ ref('stg_clockify__users') }} as users
    {{ clockify.join_elements('users.memberships', 'member') }}
    where
        {{ clockify.json_text('member.value', ['membershipType']) }} = 'WORKSPACE'
        and {{ clockify.json_text('member.value', ['targetId']) }} = users.workspace_id
    group by 1, 2
),

members as (
    select
        users.workspace_id,
        users.user_id,
        users.user_name,
        users.user_email,
        users.user_status,
        users.time_zone,
        profiles.capacity_seconds,
        profiles.working_days,
        profiles.week_start,
        memberships.membership_status,
        profiles.user_id is not null as is_profile_known,
        true as is_listed
    from {{ ref('stg_clockify__users') }} as users
    left join {{ ref('stg_clockify__member_profiles') }} as profiles
        on users.workspace_id = profiles.workspace_id and users.user_id = profiles.user_id
    left join memberships
        on users.workspace_id = memberships.workspace_id and users.user_id = memberships.user_id
),

unlisted as (
    select
        entries.workspace_id,
        entries.user_id,
        max(entries.report_user_name) as user_name,
        max(entries.report_user_email) as user_email
    from {{ ref('int_clockify__entries') }} as entries
    left join members
        on entries.workspace_id = members.workspace_id and entries.user_id = members.user_id
    where members.user_id is null and entries.user_id is not null
    group by 1, 2
),

everybody as (
    select *
    from members
    union all
    select
        workspace_id,
        user_id,
        user_name,
        user_email,
        cast(null as {{ clockify.type_text() }}) as user_status,
        cast(null as {{ clockify.type_text() }}) as time_zone,
        cast(null as {{ clockify.type_count() }}) as capacity_seconds,
        {{ clockify.no_json() }} as working_days,
        cast(null as {{ clockify.type_text() }}) as week_start,
        cast(null as {{ clockify.type_text() }}) as membership_status,
        false as is_profile_known,
        false as is_listed
    from unlisted
),

zoned as (
    select
        everybody.*,
        coalesce({{ clockify.is_known_zone('time_zone') }}, false) as is_time_zone_known
    from everybody
)

select
    {{ clockify.key('workspace_id', 'user_id') }} as user_key,
    workspace_id,
    user_id,
    user_name,
    user_email,
    user_status,
    membership_status,
    is_listed,
    time_zone,
    is_time_zone_known,
    case
        when is_time_zone_known then time_zone
        else '{{ var("clockify_fallback_time_zone", "UTC") }}'
    end as time_zone_or_fallback,
    is_profile_known,
    capacity_seconds,
    working_days,
    week_start
from zoned
