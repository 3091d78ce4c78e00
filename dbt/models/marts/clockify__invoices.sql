with payments as (
    select
        invoice_id,
        count(*) as payments,
        sum(amount_minor) as payments_minor,
        max(paid_at) as last_paid_at
    from {{ ref('stg_clockify__invoice_payments') }}
    group by invoice_id
),

aged as (
    select
        invoices.*,
        case when {{ clockify.is_synced('invoice_payments') }} then coalesce(payments.payments, 0) end
            as payments,
        payments.payments_minor,
        payments.last_paid_at,
        coalesce(
            invoices.invoice_status in ('SENT', 'PARTIALLY_PAID', 'OVERDUE')
            and invoices.balance_minor > 0, false
        ) as is_open,
        {{ clockify.days_between('invoices.due_on', clockify.today()) }} as days_past_due
    from {{ ref('stg_clockify__invoices') }} as invoices
    left join payments on invoices.invoice_id = payments.invoice_id
)

select
    invoice_id,
    workspace_id,
    invoice_number,
    client_id,
    client_name,
    invoice_status,
    issued_on,
    due_on,
    currency,
    amount_minor,
    {{ clockify.major('amount_minor') }} as amount,
    paid_minor,
    {{ clockify.major('paid_minor') }} as paid,
    balance_minor,
    {{ clockify.major('balance_minor') }} as balance,
    is_open,
    case when is_open and days_past_due > 0 then days_past_due end as days_overdue,
    case
        when not is_open then lower(invoice_status)
        when due_on is null then 'no due date'
        when days_past_due <= 0 then 'not due'
        when days_past_due <= 30 then '1 to 30 days'
        when days_past_due <= 60 then '31 to 60 days'
        when days_past_due <= 90 then '61 to 90 days'
        else 'over 90 days'
    end as age,
    cast(payments as {{ clockify.type_count() }}) as payments,
    payments_minor,
    last_paid_at,
    case when payments is not null then coalesce(payments_minor, 0) = coalesce(paid_minor, 0) end
        as is_paid_as_payments_say
from aged
