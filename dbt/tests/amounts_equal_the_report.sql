{{ config(severity=var('clockify_report_severity', 'error')) }}

-- An amount from an entry's own rate is what Clockify's report would say.
select
    entries.entry_id,
    entries.billable_amount_minor,
    report.billable_amount_minor as report_amount_minor
from {{ ref('clockify__time_entries') }} as entries
inner join {{ ref('stg_clockify__detailed_report') }} as report
    on entries.workspace_id = report.workspace_id and entries.entry_id = report.entry_id
where
    entries.is_billable
    and entries.hourly_rate_minor is not null
    and report.billable_amount_minor is not null
    and report.report_seconds = entries.seconds
    and abs(entries.hourly_rate_minor * entries.seconds / 3600 - report.billable_amount_minor) > 0.01
