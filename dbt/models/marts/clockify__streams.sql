{#- Each stream of the connector: whether it is synced, and how complete it is. -#}
with arrivals as (
    select
        stream,
        max(version_at) as last_version_at,
        max(baseline_at) as baseline_at
    from {{ ref('int_clockify__arrivals') }}
    group by stream
),

receipts as (
    select
        stream,
        max(version_at) as last_receipt_at,
        max(case when status = 'complete' then version_at end) as last_complete_at,
        max(case when status = 'complete' then baseline_at end) as complete_baseline_at,
        max(case when needs_refresh then 1 else 0 end) = 1 as needs_refresh
    from {{ ref('clockify__sync_completeness') }}
    group by stream
)

select
    streams.stream,
    streams.is_synced,
    arrivals.last_version_at,
    arrivals.baseline_at,
    receipts.stream is not null as has_receipts,
    receipts.last_receipt_at,
    receipts.last_complete_at,
    case
        when receipts.stream is not null and arrivals.baseline_at is not null
            then coalesce(receipts.complete_baseline_at >= arrivals.baseline_at, false)
    end as is_baseline_complete,
    coalesce(receipts.needs_refresh, false) as needs_refresh
from {{ ref('int_clockify__streams') }} as streams
left join arrivals on streams.stream = arrivals.stream
left join receipts on streams.stream = receipts.stream
where streams.stream <> 'sync_log'
