{{ clockify.records('time_off_requests') }}


select
    id as request_id,
    workspace_id,
    policy_id,
    user_id,
    {{ clockify.json_text('status', ['statusType']) }} as request_status,
    time_unit,
    {{ clockify.parse_moment(clockify.json_text('time_off_period', ['period', 'start'])) }} as started_at,
    {{ clockify.parse_moment(clockify.json_text('time_off_period', ['period', 'end'])) }} as ended_at,
    {{ clockify.json_text('time_off_period', ['halfDay']) }} = 'true' as is_half_day,
    user_time_zone as time_zone,
    cdc_updated_at as version_at,
    namespace
from living
