{#- Billable time that is on no invoice. Only the detailed report tells what is invoiced. -#}
with billable as (
    select *
    from {{ ref('clockify__time_entries') }}
    where is_billable and not is_running and {{ clockify.is_work('entry_type') }}
),

summed as (
    select
        workspace_id,
        client_id,
        max(client_name) as client_name,
        project_id,
        max(project_name) as project_name,
        currency,
        sum(case when is_invoice_known and invoice_id is null then seconds else 0 end)
            as unbilled_seconds,
        sum(case when is_invoice_known and invoice_id is null then billable_amount_minor else 0 end)
            as unbilled_amount_minor,
        sum(case when invoice_id is not null then seconds else 0 end) as invoiced_seconds,
        sum(case when not is_invoice_known then seconds else 0 end) as unknown_seconds,
        sum(
            case
                when is_invoice_known and invoice_id is null and not is_billable_amount_known
                    then seconds
                else 0
            end
        ) as unbilled_seconds_without_amount,
        min(case when is_invoice_known and invoice_id is null then day end) as unbilled_since
    from billable
    group by workspace_id, client_id, project_id, currency
)

select
    {{ clockify.key('workspace_id', 'client_id', 'project_id', 'currency') }} as unbilled_time_key,
    workspace_id,
    client_id,
    client_name,
    project_id,
    project_name,
    currency,
    cast(unbilled_seconds as {{ clockify.type_count() }}) as unbilled_seconds,
    {{ clockify.hours('unbilled_seconds') }} as unbilled_hours,
    unbilled_amount_minor,
    {{ clockify.major('unbilled_amount_minor') }} as unbilled_amount,
    cast(unbilled_seconds_without_amount as {{ clockify.type_count() }})
        as unbilled_seconds_without_amount,
    unbilled_since,
    cast(invoiced_seconds as {{ clockify.type_count() }}) as invoiced_seconds,
    cast(unknown_seconds as {{ clockify.type_count() }}) as unknown_seconds
from summed
