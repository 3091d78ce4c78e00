{#- Each week of each listed user: what of the time tracked was submitted for approval. -#}
with weeks as (
    select
        workspace_id,
        user_id,
        max(user_name) as user_name,
        week_starts_on,
        sum(available_seconds) as available_seconds
    from {{ ref('clockify__user_days') }}
    group by workspace_id, user_id, week_starts_on
),

tracked as (
    select
        workspace_id,
        user_id,
        week_starts_on,
        count(*) as entries,
        sum(coalesce(seconds, 0)) as tracked_seconds,
        sum(case when approval_state = 'APPROVED' then coalesce(seconds, 0) else 0 end)
            as approved_seconds,
        sum(case when approval_state = 'PENDING' then coalesce(seconds, 0) else 0 end)
            as pending_seconds,
        sum(case when approval_state = 'REJECTED' then coalesce(seconds, 0) else 0 end)
            as rejected_seconds,
        sum(case when approval_state = 'PENDING' then 1 else 0 end) as pending_entries,
        sum(case when coalesce(approval_state, '') not in ('APPROVED', 'PENDING') then 1 else 0 end)
            as open_entries
    from {{ ref('clockify__time_entries') }}
    group by workspace_id, user_id, week_starts_on
),

joined as (
    select
        weeks.*,
        coalesce(tracked.entries, 0) as entries,
        coalesce(tracked.tracked_seconds, 0) as tracked_seconds,
        coalesce(tracked.approved_seconds, 0) as approved_seconds,
        coalesce(tracked.pending_seconds, 0) as pending_seconds,
        coalesce(tracked.rejected_seconds, 0) as rejected_seconds,
        coalesce(tracked.pending_entries, 0) as pending_entries,
        coalesce(tracked.open_entries, 0) as open_entries
    from weeks
    left join tracked
        on weeks.workspace_id = tracked.workspace_id
        and weeks.user_id = tracked.user_id
        and weeks.week_starts_on = tracked.week_starts_on
)

select
    {{ clockify.key('workspace_id', 'user_id', 'week_starts_on') }} as user_week_key,
    workspace_id,
    user_id,
    user_name,
    week_starts_on,
    {{ clockify.add_days('week_starts_on', 7) }} <= {{ clockify.today() }} as is_over,
    case
        when not ({{ clockify.is_synced('approval_requests') }}) then null
        when entries = 0 and available_seconds = 0 then 'nothing expected'
        when entries = 0 then 'nothing tracked'
        when open_entries = entries then 'not submitted'
        when open_entries > 0 then 'partly submitted'
        when pending_entries > 0 then 'pending'
        else 'approved'
    end as submission,
    cast(entries as {{ clockify.type_count() }}) as entries,
    cast(open_entries as {{ clockify.type_count() }}) as entries_not_submitted,
    cast(available_seconds as {{ clockify.type_count() }}) as available_seconds,
    cast(tracked_seconds as {{ clockify.type_count() }}) as tracked_seconds,
    cast(approved_seconds as {{ clockify.type_count() }}) as approved_seconds,
    cast(pending_seconds as {{ clockify.type_count() }}) as pending_seconds,
    cast(rejected_seconds as {{ clockify.type_count() }}) as rejected_seconds
from joined
