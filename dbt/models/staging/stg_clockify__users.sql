{{ clockify.records('users') }}


select
    workspace_id,
    id as user_id,
    name as user_name,
    email as user_email,
    status as user_status,
    {{ clockify.json_text('settings', ['timeZone']) }} as time_zone,
    {{ clockify.json_text('settings', ['weekStart']) }} as week_start,
    memberships,
    cdc_updated_at as version_at,
    namespace
from living
