{{ clockify.records('tags') }}


select
    id as tag_id,
    workspace_id,
    name as tag_name,
    archived as is_archived,
    cdc_updated_at as version_at,
    namespace
from living
