{#- Each version of each time entry that is still in the raw table, and what it changed. -#}
with versions as (
    select *
    from {{ ref('stg_clockify__time_entry_versions') }}
),

syncs as (
    select
        namespace,
        version_at,
        lag(version_at) over (partition by namespace order by version_at) as sync_before_at
    from (
        select distinct
            namespace,
            version_at
        from versions
    ) as distinct_versions
),

receipts as (
    select
        namespace,
        version_at,
        previous_version_at
    from {{ ref('stg_clockify__sync_log') }}
    where stream = 'time_entries'
),

ordered as (
    select
        versions.*,
        -- What was not there then was made, or became visible, since.
        coalesce(receipts.previous_version_at, syncs.sync_before_at) as sync_before_at,
        {%- for name in [
            'version_at', 'deleted_at', 'started_at', 'ended_at', 'seconds', 'user_id', 'project_id',
            'task_id', 'description', 'is_billable'
        ] %}
        lag(versions.{{ name }}) over (
            partition by versions.namespace, versions.entry_id order by versions.version_at
        ) as previous_{{ name }}{{ "," if not loop.last }}
        {%- endfor %}
    from versions
    left join syncs
        on versions.namespace = syncs.namespace and versions.version_at = syncs.version_at
    left join receipts
        on versions.namespace = receipts.namespace and versions.version_at = receipts.version_at
),

kinds as (
    select
        ordered.*,
        case
            when deleted_at is not null then 'deleted'
            when baseline_at is null and previous_version_at is null then 'first seen'
            when version_at = baseline_at and previous_version_at is null then 'baseline'
            when version_at = baseline_at then 'refresh'
            when previous_deleted_at is not null then 'restored'
            when previous_version_at is not null then 'edited'
            when {{ clockify.keeps_versions() }} then 'new'
            else 'new or edited'
        end as change_kind
    from ordered
),

timed as (
    select
        kinds.*,
        case
            when change_kind = 'new' and ended_at < sync_before_at
                then {{ clockify.seconds_between('ended_at', 'sync_before_at') }}
            when change_kind = 'new' and ended_at is not null then 0
        end as late_by_at_least_seconds
    from kinds
)

select
    {{ clockify.key('namespace', 'entry_id', clockify.ms_of_moment('version_at')) }} as entry_version_key,
    entry_id,
    workspace_id,
    user_id,
    version_at,
    previous_version_at,
    change_kind,
    started_at,
    ended_at,
    seconds,
    previous_started_at,
    previous_ended_at,
    previous_seconds,
    case when change_kind = 'edited' then coalesce(seconds, 0) - coalesce(previous_seconds, 0) end
        as seconds_change,
    {%- for name, columns in [
        ('time', ['started_at', 'ended_at']), ('user', ['user_id']),
        ('project', ['project_id', 'task_id']), ('description', ['description']),
        ('billable', ['is_billable']),
    ] %}
    case
        when change_kind = 'edited'
            then
                {% for column in columns -%}
                {% if not loop.first %} or {% endif -%}
                {{ clockify.differs(column, 'previous_' ~ column) }}
                {%- endfor %}
    end as is_{{ name }}_changed,
    {%- endfor %}
    case when change_kind = 'edited' and previous_ended_at is not null
        then {{ clockify.seconds_between('previous_ended_at', 'version_at') }} end
        as edited_after_seconds,
    late_by_at_least_seconds,
    late_by_at_least_seconds > {{ var('clockify_late_after_days', 2) }} * 86400 as is_late
from timed
