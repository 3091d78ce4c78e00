{{ clockify.records('time_off_policies') }}


select
    id as policy_id,
    workspace_id,
    name as policy_name,
    time_unit,
    archived as is_archived,
    updated_at as version_at
from living
