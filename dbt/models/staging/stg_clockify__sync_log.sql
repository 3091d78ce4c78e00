{{ clockify.records('sync_log') }}


select
    namespace,
    stream,
    cdc_updated_at as version_at,
    cdc_baseline_at as baseline_at,
    previous_updated_at as previous_version_at,
    started_at,
    ended_at,
    window_start,
    status,
    sync_mode,
    sent,
    resent,
    deleted,
    live,
    oversized,
    waiting,
    skipped,
    connector_version
from living
