{#-
    The approval request that each entry belongs to: what the report says, else what requests hold. A
    request that is pending or approved stands above others, since the report's row may be older.
-#}
with requests as (
    select *
    from {{ ref('stg_clockify__approval_requests') }}
),

found as (
    select
        {{ clockify.json_text('entry.value', ['id']) }} as entry_id,
        2 as preference,
        requests.approval_request_id,
        requests.approval_state,
        requests.state_changed_at,
        requests.version_at
    from requests
    {{ clockify.join_elements('requests.entries', 'entry') }}
    union all
    select
        entries.entry_id,
        1 as preference,
        requests.approval_request_id,
        requests.approval_state,
        requests.state_changed_at,
        requests.version_at
    from {{ ref('int_clockify__entries') }} as entries
    inner join requests on entries.approval_request_id = requests.approval_request_id
),

ranked as (
    select
        found.*,
        row_number() over (
            partition by entry_id
            order by
                case when approval_state in ('PENDING', 'APPROVED') then 1 else 2 end,
                preference,
                state_changed_at desc nulls last,
                version_at desc nulls last,
                approval_request_id
        ) as place
    from found
    where entry_id is not null
)

select
    entry_id,
    approval_request_id,
    approval_state
from ranked
where place = 1
