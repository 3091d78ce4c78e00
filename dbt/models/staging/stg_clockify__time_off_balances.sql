{{ clockify.records('time_off_balances') }}


select
    workspace_id,
    policy_id,
    user_id,
    policy_name,
    policy_time_unit as time_unit,
    balance,
    total,
    used,
    cdc_updated_at as version_at,
    namespace
from living
