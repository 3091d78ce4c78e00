{{ clockify.records('invoice_details') }}


select
    id as invoice_id,
    workspace_id,
    items,
    cdc_updated_at as version_at,
    namespace
from living
