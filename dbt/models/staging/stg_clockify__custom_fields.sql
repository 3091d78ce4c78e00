{{ clockify.records('custom_fields') }}


select
    id as custom_field_id,
    workspace_id,
    name as custom_field_name,
    entity_type,
    {{ adapter.quote('type') }} as custom_field_type,
    status as custom_field_status,
    cdc_updated_at as version_at,
    namespace
from living
