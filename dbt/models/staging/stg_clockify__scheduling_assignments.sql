{{ clockify.records('scheduling_assignments') }}


select
    id as assignment_id,
    workspace_id,
    user_id,
    project_id,
    task_id,
    {{ clockify.parse_moment(clockify.json_text('period', ['start'])) }} as started_at,
    {{ clockify.parse_moment(clockify.json_text('period', ['end'])) }} as ended_at,
    hours_per_day,
    billable as is_billable,
    updated_at as version_at
from living
