{{ clockify.records('time_entries') }}


select
    {{ clockify.entry_columns() }},
    cdc_updated_at as version_at,
    namespace
from living
