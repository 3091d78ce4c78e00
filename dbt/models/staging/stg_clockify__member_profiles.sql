{{ clockify.records('member_profiles') }}


select
    workspace_id,
    user_id,
    week_start,
    {{ clockify.iso_seconds('work_capacity') }} as capacity_seconds,
    working_days,
    cdc_updated_at as version_at,
    namespace
from living
