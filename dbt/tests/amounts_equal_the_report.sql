{{ config(severity=var('clockify_report_severity', 'error')) }}

-- An amount from an entry's own rate is what Clockify's report would say.
select
    entries.entry_id,
    entries.billable_amount_minor,
    report.report_billable_amount_minor
from {{ ref('clockify__time_entries') }} as entries
inner join {{ ref('int_clockify__entries') }} as report on entries.entry_id = report.entry_id
where
    entries.is_billable
    and report.report_agrees
    and entries.hourly_rate_minor is not null
    and report.report_billable_amount_minor is not null
    and abs(
        entries.hourly_rate_minor * entries.seconds / 3600 - report.report_billable_amount_minor
    ) > 0.01
