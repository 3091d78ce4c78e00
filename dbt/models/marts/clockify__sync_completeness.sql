{#- Each receipt of sync_log: what the sync sent, and what of it is here. -#}
with receipts as (
    select
        receipts.*,
        row_number() over (partition by namespace, stream order by version_at desc) as place,
        max(case when status = 'complete' then version_at end) over (partition by namespace, stream)
            as newest_complete_at
    from {{ ref('stg_clockify__sync_log') }} as receipts
),

arrivals as (
    select
        namespace,
        stream,
        version_at,
        sum(arrived) as arrived
    from {{ ref('int_clockify__arrivals') }}
    group by namespace, stream, version_at
),

living as (
    select *
    from {{ ref('int_clockify__living') }}
),

streams as (
    select *
    from {{ ref('int_clockify__streams') }}
),

compared as (
    select
        receipts.*,
        receipts.sent + receipts.deleted as expected,
        case when {{ clockify.keeps_versions() }} then coalesce(arrivals.arrived, 0) end as arrived,
        previous.version_at is null and receipts.previous_version_at is not null
            as is_previous_missing,
        case
            when receipts.place = 1 and receipts.status = 'complete' and receipts.live is not null
                then coalesce(living.living, 0)
        end as living_here,
        streams.is_synced
    from receipts
    left join arrivals
        on receipts.namespace = arrivals.namespace
        and receipts.stream = arrivals.stream
        and receipts.version_at = arrivals.version_at
    left join receipts as previous
        on receipts.namespace = previous.namespace
        and receipts.stream = previous.stream
        and receipts.previous_version_at = previous.version_at
    left join living on receipts.namespace = living.namespace and receipts.stream = living.stream
    left join streams on receipts.stream = streams.stream
),

judged as (
    select
        compared.*,
        case
            when expected > arrived then 'lost'
            when is_previous_missing then 'previous sync missing'
            when place = 1 and status <> 'complete' then 'incomplete'
            when living_here <> live then 'count differs'
        end as problem,
        -- What a complete sync an hour later did not bring will not be sent again.
        case
            when expected > arrived
                then version_at = baseline_at
                    or {{ clockify.seconds_between('version_at', 'newest_complete_at') }} >= 3600
            when is_previous_missing
                then previous_version_at = baseline_at
                    or {{ clockify.seconds_between('previous_version_at', 'newest_complete_at') }} >= 3600
            when place = 1 and status <> 'complete' then false
            when living_here <> live then true
        end as needs_refresh
    from compared
)

select
    {{ clockify.key('namespace', 'stream', clockify.ms_of_moment('version_at')) }} as receipt_key,
    namespace,
    stream,
    version_at,
    baseline_at,
    previous_version_at,
    version_at = baseline_at as is_baseline,
    place = 1 as is_last,
    started_at,
    ended_at,
    status,
    sync_mode,
    cast(expected as {{ clockify.type_count() }}) as expected,
    cast(arrived as {{ clockify.type_count() }}) as arrived,
    cast(
        case when expected > arrived then expected - arrived when arrived is not null then 0 end
        as {{ clockify.type_count() }}
    ) as lost,
    is_previous_missing,
    cast(resent as {{ clockify.type_count() }}) as resent,
    cast(deleted as {{ clockify.type_count() }}) as deleted,
    cast(live as {{ clockify.type_count() }}) as living_at_source,
    cast(living_here as {{ clockify.type_count() }}) as living_here,
    window_start,
    cast(oversized as {{ clockify.type_count() }}) as oversized,
    cast(waiting as {{ clockify.type_count() }}) as waiting,
    skipped,
    connector_version,
    problem,
    coalesce(needs_refresh, false) as needs_refresh
from judged
