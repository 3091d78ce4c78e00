select
    {{ clockify.key('balances.policy_id', 'balances.user_id') }} as balance_key,
    balances.workspace_id,
    balances.policy_id,
    balances.policy_name,
    balances.user_id,
    users.user_name,
    balances.time_unit,
    balances.total,
    balances.used,
    balances.balance
from {{ ref('stg_clockify__time_off_balances') }} as balances
left join {{ ref('clockify__users') }} as users
    on balances.workspace_id = users.workspace_id and balances.user_id = users.user_id
