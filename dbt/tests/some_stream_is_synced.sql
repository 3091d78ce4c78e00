-- A wrong schema, prefix or namespace would make every mart empty, and nothing else fail.
select count(*) as streams
from {{ ref('int_clockify__streams') }}
where is_synced
having count(*) = 0
