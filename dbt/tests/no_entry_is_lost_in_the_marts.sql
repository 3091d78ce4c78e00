-- Every entry of the staging model is in the mart, and daily and weekly hours add up to its seconds.
with totals as (
    select
        (select count(*) from {{ ref('stg_clockify__time_entries') }}) as staged,
        (
            select count(*) from {{ ref('clockify__time_entries') }}
            where source_stream = 'time_entries'
        ) as listed,
        (select coalesce(sum(seconds), 0) from {{ ref('clockify__time_entries') }}) as entry_seconds,
        (select coalesce(sum(seconds), 0) from {{ ref('clockify__daily_hours') }}) as daily_seconds,
        (select coalesce(sum(seconds), 0) from {{ ref('clockify__weekly_hours') }}) as weekly_seconds
)

select *
from totals
where staged <> listed or entry_seconds <> daily_seconds or entry_seconds <> weekly_seconds
