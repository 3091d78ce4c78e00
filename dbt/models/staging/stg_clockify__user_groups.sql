{{ clockify.records('user_groups') }}


select
    id as group_id,
    workspace_id,
    name as group_name,
    user_ids,
    cdc_updated_at as version_at,
    namespace
from living
