{{ clockify.records('holidays') }}


select
    id as holiday_id,
    workspace_id,
    name as holiday_name,
    {{ clockify.parse_day(clockify.json_text('date_period', ['startDate'])) }} as first_day,
    {{ clockify.parse_day(clockify.json_text('date_period', ['endDate'])) }} as last_day,
    occurs_annually as is_annual,
    everyone_including_new as is_for_everyone,
    user_ids,
    user_group_ids,
    cdc_updated_at as version_at,
    namespace
from living
