{#- Which streams are here: whether there is a table of the stream, or any message of it. -#}
{%- set streams = clockify.streams() -%}
{%- if clockify.reads_messages() -%}
with messages as (
    select
        stream,
        count(*) as messages
    from {{ ref('stg_clockify__messages') }}
    group by stream
)

{% for stream in streams -%}
select
    '{{ stream }}' as stream,
    exists (select 1 from messages where stream = '{{ stream }}') as is_synced
{%- if not loop.last %}
union all
{% endif %}
{%- endfor %}
{%- else -%}
{%- set found = [] -%}
{%- for stream in streams -%}
    {%- if clockify.table_of(stream) is not none -%}{%- do found.append(stream) -%}{%- endif -%}
{%- endfor -%}
{%- if execute and not found -%}
    {%- do exceptions.raise_compiler_error(
        "There is no table of Clockify in the schema " ~ source('clockify', 'time_entries').schema
        ~ ". Set clockify_schema, clockify_database or clockify_table_prefix."
    ) -%}
{%- endif -%}
{% for stream in streams -%}
select
    '{{ stream }}' as stream,
    {{ 'true' if stream in found else 'false' }} as is_synced
{%- if not loop.last %}
union all
{% endif %}
{%- endfor %}
{%- endif %}
