{{ config(severity=var('clockify_completeness_severity', 'error')) }}

-- As long as a baseline is being read, what it has not reached yet does not exist in the marts.
select
    stream,
    is_baseline_complete,
    needs_refresh
from {{ ref('clockify__streams') }}
where needs_refresh or is_baseline_complete = false
