{{ config(severity=var('clockify_report_severity', 'error')) }}

-- On each day on which syncs look for edits, the marts and Clockify's own reports agree to the second.
select *
from {{ ref('clockify__report_agreement') }}
where is_compared and (beyond_detailed_report <> 0 or beyond_summary_report <> 0)
