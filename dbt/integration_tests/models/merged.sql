with versions as (
    select *
    from {{ ref('versions') }}
),

receipts as (
    select *
    from {{ ref('receipts') }}
),

{{ clockify.newest_living('versions', ['id'], receipts='receipts') }}

select
    namespace,
    id,
    content
from living
