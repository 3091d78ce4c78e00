{#- The approval request that each entry belongs to: what the report says, else what requests hold. -#}
with requests as (
    select *
    from {{ ref('stg_clockify__approval_requests') }}
),

embedded as (
    select
        {{ clockify.json_text('entry.value', ['id']) }} as entry_id,
        requests.approval_request_id,
        requests.approval_state,
        requests.state_changed_at,
        requests.version_at
    from requests
    {{ clockify.join_elements('requests.entries', 'entry') }}
),

ranked as (
    select
        entries.entry_id,
        coalesce(reported.approval_request_id, embedded.approval_request_id) as approval_request_id,
        coalesce(reported.approval_state, embedded.approval_state) as approval_state,
        row_number() over (
            partition by entries.entry_id
            order by
                embedded.state_changed_at desc nulls last,
                embedded.version_at desc nulls last,
                embedded.approval_request_id
        ) as place
    from {{ ref('int_clockify__entries') }} as entries
    left join requests as reported on entries.approval_request_id = reported.approval_request_id
    left join embedded on entries.entry_id = embedded.entry_id
    where reported.approval_request_id is not null or embedded.approval_request_id is not null
)

select
    entry_id,
    approval_request_id,
    approval_state
from ranked
where place = 1
