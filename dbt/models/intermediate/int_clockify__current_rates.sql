{#-
    The rate that holds today for each entry's user, project and task: of the task, else of the member
    of the project, else of the project, else of the member of the workspace, else of the workspace.
-#}
with entries as (
    select
        entry_id,
        workspace_id,
        user_id,
        project_id,
        task_id
    from {{ ref('int_clockify__entries') }}
),

project_members as (
    select
        projects.project_id,
        {{ clockify.json_text('member.value', ['userId']) }} as user_id,
        max({{ clockify.minor_amount(clockify.json_part('member.value', ['hourlyRate'])) }})
            as hourly_rate_minor,
        max({{ clockify.minor_amount(clockify.json_part('member.value', ['costRate'])) }})
            as cost_rate_minor
    from {{ ref('stg_clockify__projects') }} as projects
    {{ clockify.join_elements('projects.memberships', 'member') }}
    where {{ clockify.json_text('member.value', ['membershipType']) }} = 'PROJECT'
    group by 1, 2
),

workspace_members as (
    select
        users.workspace_id,
        users.user_id,
        max({{ clockify.minor_amount(clockify.json_part('member.value', ['hourlyRate'])) }})
            as hourly_rate_minor,
        max({{ clockify.minor_amount(clockify.json_part('member.value', ['costRate'])) }})
            as cost_rate_minor
    from {{ ref('stg_clockify__users') }} as users
    {{ clockify.join_elements('users.memberships', 'member') }}
    where
        {{ clockify.json_text('member.value', ['membershipType']) }} = 'WORKSPACE'
        and {{ clockify.json_text('member.value', ['targetId']) }} = users.workspace_id
    group by 1, 2
)

select
    entries.entry_id,
    {%- for rate in ['hourly_rate', 'cost_rate'] %}
    coalesce(
        tasks.{{ rate }}_minor,
        project_members.{{ rate }}_minor,
        projects.{{ rate }}_minor,
        workspace_members.{{ rate }}_minor,
        workspaces.{{ rate }}_minor
    ) as current_{{ rate }}_minor,
    case
        when tasks.{{ rate }}_minor is not null then 'task'
        when project_members.{{ rate }}_minor is not null then 'project member'
        when projects.{{ rate }}_minor is not null then 'project'
        when workspace_members.{{ rate }}_minor is not null then 'workspace member'
        when workspaces.{{ rate }}_minor is not null then 'workspace'
    end as current_{{ rate }}_of{{ "," if not loop.last }}
    {%- endfor %}
from entries
left join {{ ref('stg_clockify__tasks') }} as tasks on entries.task_id = tasks.task_id
left join project_members
    on entries.project_id = project_members.project_id and entries.user_id = project_members.user_id
left join {{ ref('stg_clockify__projects') }} as projects on entries.project_id = projects.project_id
left join workspace_members
    on entries.workspace_id = workspace_members.workspace_id
    and entries.user_id = workspace_members.user_id
left join {{ ref('stg_clockify__workspaces') }} as workspaces
    on entries.workspace_id = workspaces.workspace_id
