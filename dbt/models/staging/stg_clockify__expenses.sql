{{ clockify.records('expenses') }}


select
    id as expense_id,
    workspace_id,
    user_id,
    {{ adapter.quote('date') }} as expense_day,
    {{ clockify.json_text('category', ['id']) }} as category_id,
    {{ clockify.json_text('category', ['name']) }} as category_name,
    {{ clockify.json_text('project', ['id']) }} as project_id,
    {{ clockify.json_text('task', ['id']) }} as task_id,
    quantity,
    total as amount_minor,
    billable as is_billable,
    cdc_updated_at as version_at,
    namespace
from living
