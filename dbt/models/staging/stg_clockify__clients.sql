{{ clockify.records('clients') }}


select
    id as client_id,
    workspace_id,
    name as client_name,
    email as client_email,
    currency_code as currency,
    archived as is_archived,
    cdc_updated_at as version_at,
    namespace
from living
