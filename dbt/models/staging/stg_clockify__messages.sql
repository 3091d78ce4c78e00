{{ config(enabled=var('clockify_input', 'tables') == 'messages') }}

{%- set table = source('clockify_messages', 'messages') -%}
{%- set found = clockify.columns_in(table) -%}
{%- set prefix = var('clockify_table_prefix', '') %}

with messages as (
    select
        {{ clockify.table_column(found, 'data', 'json') }} as envelope,
        {{ clockify.table_column(found, 'attributes', 'json') }} as attributes
    from {{ table }}
),

opened as (
    select
        coalesce({{ clockify.json_text('attributes', ['_namespace']) }}, '') as namespace,
        {{ clockify.json_text('attributes', ['_stream']) }} as stream,
        {{ clockify.json_part('envelope', ['_airbyte_data']) }} as record,
        {{ clockify.parse_number(clockify.json_text('envelope', ['_airbyte_emitted_at'])) }}
            as emitted_at_ms
    from messages
)

select
    namespace,
    {% if prefix -%}
    substr(stream, {{ prefix | length + 1 }})
    {%- else -%}
    stream
    {%- endif %} as stream,
    record,
    {{ clockify.moment_of_ms('emitted_at_ms') }} as loaded_at
from opened
where
    record is not null
    {%- if prefix %}
    and substr(stream, 1, {{ prefix | length }}) = '{{ prefix }}'
    {%- endif %}
    {%- if var('clockify_namespace', '') %}
    and namespace = '{{ var("clockify_namespace") }}'
    {%- endif %}
