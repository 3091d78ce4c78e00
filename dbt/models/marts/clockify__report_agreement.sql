{#- Each UTC day: the seconds of the entries beside those of Clockify's own reports. -#}
with entries as (
    select
        workspace_id,
        utc_day as day,
        sum(seconds) as entry_seconds
    from {{ ref('clockify__time_entries') }}
    where utc_day is not null and not is_running
    group by 1, 2
),

detailed as (
    select
        workspace_id,
        {{ clockify.local_day('started_at', "'UTC'") }} as day,
        sum(report_seconds) as detailed_report_seconds
    from {{ ref('stg_clockify__detailed_report') }}
    where started_at is not null and ended_at is not null
    group by 1, 2
),

summary as (
    select
        workspace_id,
        report_day as day,
        sum(report_seconds) as summary_report_seconds
    from {{ ref('stg_clockify__summary_report') }}
    where report_day is not null
    group by 1, 2
),

days as (
    select workspace_id, day from entries
    {{ clockify.union_distinct() }}
    select workspace_id, day from detailed
    {{ clockify.union_distinct() }}
    select workspace_id, day from summary
),

newest as (
    select max(version_at) as version_at from {{ ref('stg_clockify__time_entries') }}
    union all
    select max(version_at) as version_at from {{ ref('stg_clockify__detailed_report') }}
    union all
    select max(version_at) as version_at from {{ ref('stg_clockify__summary_report') }}
    union all
    select max(version_at) as version_at from {{ ref('stg_clockify__sync_log') }}
    where stream in ('time_entries', 'detailed_report', 'summary_report')
),

-- Within these days every sync looks for edits in all three; the first may have begun at noon.
windows as (
    select
        {{ clockify.add_days(
            clockify.local_day('max(version_at)', "'UTC'"), '1 - ' ~ var('clockify_lookback_days', 30)
        ) }} as first_day,
        {{ clockify.add_days(clockify.local_day('min(version_at)', "'UTC'"), 30) }} as last_day
    from newest
),

joined as (
    select
        days.workspace_id,
        days.day,
        coalesce(entries.entry_seconds, 0) as entry_seconds,
        case when {{ clockify.is_synced('detailed_report') }}
            then coalesce(detailed.detailed_report_seconds, 0) end as detailed_report_seconds,
        case when {{ clockify.is_synced('summary_report') }}
            then coalesce(summary.summary_report_seconds, 0) end as summary_report_seconds,
        coalesce(days.day between windows.first_day and windows.last_day, false) as is_compared
    from days
    cross join windows
    left join entries on days.workspace_id = entries.workspace_id and days.day = entries.day
    left join detailed on days.workspace_id = detailed.workspace_id and days.day = detailed.day
    left join summary on days.workspace_id = summary.workspace_id and days.day = summary.day
)

select
    {{ clockify.key('workspace_id', 'day') }} as workspace_day_key,
    workspace_id,
    day,
    cast(entry_seconds as {{ clockify.type_count() }}) as entry_seconds,
    cast(detailed_report_seconds as {{ clockify.type_count() }}) as detailed_report_seconds,
    cast(summary_report_seconds as {{ clockify.type_count() }}) as summary_report_seconds,
    cast(entry_seconds - detailed_report_seconds as {{ clockify.type_count() }}) as beyond_detailed_report,
    cast(entry_seconds - summary_report_seconds as {{ clockify.type_count() }}) as beyond_summary_report,
    is_compared
from joined
