with entries as (
    select *
    from {{ ref('clockify__time_entries') }}
),

tagged as (
    select
        entries.entry_id,
        entries.workspace_id,
        {{ clockify.json_text('tag.value') }} as tag_id,
        cast(null as {{ clockify.type_text() }}) as report_tag_name
    from entries
    {{ clockify.join_elements('entries.tag_ids', 'tag') }}
    union all
    select
        entries.entry_id,
        entries.workspace_id,
        {{ clockify.json_text('tag.value', ['_id']) }} as tag_id,
        {{ clockify.json_text('tag.value', ['name']) }} as report_tag_name
    from entries
    {{ clockify.join_elements('entries.report_tags', 'tag') }}
    where entries.source_stream = 'detailed_report'
),

distinct_tags as (
    select
        entry_id,
        workspace_id,
        tag_id,
        max(report_tag_name) as report_tag_name
    from tagged
    where tag_id is not null
    group by 1, 2, 3
)

select
    {{ clockify.key('distinct_tags.entry_id', 'distinct_tags.tag_id') }} as entry_tag_key,
    distinct_tags.entry_id,
    distinct_tags.workspace_id,
    distinct_tags.tag_id,
    coalesce(tags.tag_name, distinct_tags.report_tag_name) as tag_name
from distinct_tags
left join {{ ref('stg_clockify__tags') }} as tags on distinct_tags.tag_id = tags.tag_id
