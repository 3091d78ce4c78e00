{{ clockify.records('invoices') }}


select
    id as invoice_id,
    workspace_id,
    {{ adapter.quote('number') }} as invoice_number,
    nullif(client_id, '') as client_id,
    client_name,
    status as invoice_status,
    issued_date as issued_on,
    due_date as due_on,
    currency,
    amount as amount_minor,
    paid as paid_minor,
    coalesce(balance, amount - coalesce(paid, 0)) as balance_minor,
    cdc_updated_at as version_at,
    namespace
from living
