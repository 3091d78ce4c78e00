{{ clockify.records('invoice_payments') }}


select
    id as payment_id,
    workspace_id,
    invoice_id,
    {{ adapter.quote('date') }} as paid_at,
    amount as amount_minor,
    cdc_updated_at as version_at,
    namespace
from living
