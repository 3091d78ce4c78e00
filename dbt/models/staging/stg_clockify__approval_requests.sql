{{ clockify.records('approval_requests') }}


select
    id as approval_request_id,
    workspace_id,
    {{ clockify.json_text('approval_request', ['owner', 'userId']) }} as user_id,
    {{ clockify.json_text('approval_request', ['status', 'state']) }} as approval_state,
    {{ clockify.parse_moment(clockify.json_text('approval_request', ['dateRange', 'start'])) }}
        as period_starts_at,
    {{ clockify.parse_moment(clockify.json_text('approval_request', ['dateRange', 'end'])) }}
        as period_ends_at,
    {{ clockify.parse_moment(clockify.json_text('approval_request', ['status', 'updatedAt'])) }}
        as state_changed_at,
    {{ clockify.iso_seconds('tracked_time') }} as tracked_seconds,
    entries,
    cdc_updated_at as version_at,
    namespace
from living
