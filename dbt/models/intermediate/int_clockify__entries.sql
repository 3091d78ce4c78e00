{#-
    The entries that exist, each once, with what the detailed report says of it. The stream
    time_entries lists the entries of listed users only; those of deleted users are in the report.
-#}
with listed as (
    select *
    from {{ ref('stg_clockify__time_entries') }}
),

report as (
    select *
    from {{ ref('stg_clockify__detailed_report') }}
),

tombstones as (
    select
        entry_id,
        max(version_at) as deleted_at
    from {{ ref('stg_clockify__time_entry_versions') }}
    where deleted_at is not null
    group by entry_id
),

workspaces_with_entries as (
    select distinct workspace_id
    from listed
),

unlisted as (
    select report.*
    from report
    left join listed on report.entry_id = listed.entry_id
    left join {{ ref('stg_clockify__users') }} as users
        on report.workspace_id = users.workspace_id and report.user_id = users.user_id
    left join workspaces_with_entries on report.workspace_id = workspaces_with_entries.workspace_id
    left join tombstones on report.entry_id = tombstones.entry_id
    where
        listed.entry_id is null
        -- A listed user's entry that is in the report alone is one that the next sync brings.
        and (users.user_id is null or workspaces_with_entries.workspace_id is null)
        and (tombstones.deleted_at is null or tombstones.deleted_at < report.version_at)
),

entries as (
    select
        listed.entry_id,
        listed.workspace_id,
        listed.user_id,
        nullif(listed.project_id, '') as project_id,
        nullif(listed.task_id, '') as task_id,
        listed.description,
        listed.entry_type,
        coalesce(listed.is_billable, false) as is_billable,
        listed.is_locked,
        listed.kiosk_id,
        listed.started_text,
        listed.started_at,
        listed.ended_at,
        listed.seconds,
        listed.is_running,
        listed.hourly_rate_minor,
        listed.cost_rate_minor,
        listed.currency,
        listed.tag_ids,
        listed.custom_field_values,
        listed.custom_fields,
        'time_entries' as source_stream,
        listed.version_at
    from listed
    union all
    select
        entry_id,
        workspace_id,
        user_id,
        project_id,
        task_id,
        description,
        entry_type,
        coalesce(is_billable, false) as is_billable,
        is_locked,
        kiosk_id,
        cast(null as {{ clockify.type_text() }}) as started_text,
        started_at,
        ended_at,
        case
            when ended_at is not null
                then coalesce({{ clockify.seconds_between('started_at', 'ended_at') }}, report_seconds)
        end as seconds,
        ended_at is null as is_running,
        case when is_billable then hourly_rate_minor end as hourly_rate_minor,
        nullif(cost_rate_minor, 0) as cost_rate_minor,
        currency,
        {{ clockify.no_json() }} as tag_ids,
        custom_fields as custom_field_values,
        {{ clockify.json_map('custom_fields', 'customFieldId', 'value') }} as custom_fields,
        'detailed_report' as source_stream,
        version_at
    from unlisted
),

-- The report's row may be older than the invoice.
invoiced as (
    select
        {{ clockify.json_text('entry.value') }} as entry_id,
        max(lines.invoice_id) as invoice_id
    from (
        select
            details.invoice_id,
            {{ clockify.json_part('item.value', ['timeEntryIds']) }} as entry_ids
        from {{ ref('stg_clockify__invoice_details') }} as details
        {{ clockify.join_elements('details.items', 'item') }}
    ) as lines
    {{ clockify.join_elements('lines.entry_ids', 'entry') }}
    group by 1
)

select
    entries.*,
    report.entry_id is not null as is_in_report,
    report.user_name as report_user_name,
    report.user_email as report_user_email,
    case when report.project_id = entries.project_id then report.client_id end as report_client_id,
    case when report.project_id = entries.project_id then report.client_name end as report_client_name,
    case when report.project_id = entries.project_id then report.project_name end as report_project_name,
    case when report.task_id = entries.task_id then report.task_name end as report_task_name,
    report.tags as report_tags,
    report.approval_request_id,
    coalesce(report.invoice_id, invoiced.invoice_id) as invoice_id,
    report.currency as report_currency,
    report.hourly_rate_minor as report_hourly_rate_minor,
    report.cost_rate_minor as report_cost_rate_minor,
    -- Amounts of another duration, project or user would be those of a former version.
    coalesce(
        report.report_seconds = entries.seconds
        and coalesce(report.is_billable, false) = entries.is_billable
        and report.user_id = entries.user_id
        and not {{ clockify.differs('report.project_id', 'entries.project_id') }}
        and not {{ clockify.differs('report.task_id', 'entries.task_id') }},
        false
    ) as report_agrees,
    report.billable_amount_minor as report_billable_amount_minor,
    -- The report says 0 where there is no cost rate, too.
    case
        when coalesce(report.cost_rate_minor, 0) <> 0 or entries.cost_rate_minor is not null
            then report.cost_amount_minor
    end as report_cost_amount_minor
from entries
left join report on entries.entry_id = report.entry_id and entries.workspace_id = report.workspace_id
left join invoiced on entries.entry_id = invoiced.entry_id
