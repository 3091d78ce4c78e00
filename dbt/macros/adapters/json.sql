{# JSON in three dialects. A path is a list of names. #}

{# The scalar at a path as text; null for a JSON null. #}
{% macro json_text(value, path=[]) %}
    {{- return(adapter.dispatch('json_text', 'clockify')(value, path)) }}
{% endmacro %}

{% macro default__json_text(value, path) -%}
    ({{ value }} #>> '{% raw %}{{% endraw %}{{ path | join(',') }}{% raw %}}{% endraw %}')
{%- endmacro %}

{% macro duckdb__json_text(value, path) -%}
    json_extract_string({{ value }}, '{{ clockify.json_path(path) }}')
{%- endmacro %}

{% macro bigquery__json_text(value, path) -%}
    json_value({{ value }}, '{{ clockify.json_path(path) }}')
{%- endmacro %}


{# The JSON at a path; null for a JSON null. #}
{% macro json_part(value, path) %}
    {{- return(adapter.dispatch('json_part', 'clockify')(value, path)) }}
{% endmacro %}

{% macro default__json_part(value, path) -%}
    nullif(
        {{ value }} #> '{% raw %}{{% endraw %}{{ path | join(',') }}{% raw %}}{% endraw %}',
        cast('null' as jsonb)
    )
{%- endmacro %}

{% macro duckdb__json_part(value, path) -%}
    nullif(json_extract({{ value }}, '{{ clockify.json_path(path) }}'), cast('null' as json))
{%- endmacro %}

{% macro bigquery__json_part(value, path) -%}
    {%- set part = 'json_query(' ~ value ~ ", '" ~ clockify.json_path(path) ~ "')" -%}
    case when lower(json_type({{ part }})) <> 'null' then {{ part }} end
{%- endmacro %}

{% macro json_path(path) -%}
    ${% for name in path %}."{{ name }}"{% endfor %}
{%- endmacro %}


{# A join with the elements of a JSON list, each as `alias.value`; anything else has none. #}
{% macro join_elements(value, alias) %}
    {{- return(adapter.dispatch('join_elements', 'clockify')(value, alias)) }}
{% endmacro %}

{% macro default__join_elements(value, alias) -%}
    cross join lateral jsonb_array_elements(
        case when jsonb_typeof({{ value }}) = 'array' then {{ value }} else cast('[]' as jsonb) end
    ) as {{ alias }} (value)
{%- endmacro %}

{% macro duckdb__join_elements(value, alias) -%}
    cross join lateral (
        select unnest(
            cast(case when json_type({{ value }}) = 'ARRAY' then {{ value }} else '[]' end as json [])
        ) as value
    ) as {{ alias }}
{%- endmacro %}

{% macro bigquery__join_elements(value, alias) -%}
    cross join unnest(
        array(select as struct element as value from unnest(json_query_array({{ value }})) as element)
    ) as {{ alias }}
{%- endmacro %}


{# A JSON object of the objects in a list: one member of each names it, another one is its value. #}
{% macro json_map(value, name, content) %}
    {{- return(adapter.dispatch('json_map', 'clockify')(value, name, content)) }}
{% endmacro %}

{% macro default__json_map(value, name, content) -%}
    (
        select jsonb_object_agg(element ->> '{{ name }}', element -> '{{ content }}')
        from jsonb_array_elements(
            case when jsonb_typeof({{ value }}) = 'array' then {{ value }} else cast('[]' as jsonb) end
        ) as elements (element)
        where element ->> '{{ name }}' is not null
    )
{%- endmacro %}

{% macro duckdb__json_map(value, name, content) -%}
    (
        select json_group_object(
            json_extract_string(elements.element, '$.{{ name }}'),
            json_extract(elements.element, '$.{{ content }}')
        )
        from (
            select unnest(
                cast(
                    case when json_type({{ value }}) = 'ARRAY' then {{ value }} else '[]' end as json []
                )
            ) as element
        ) as elements
        where json_extract_string(elements.element, '$.{{ name }}') is not null
    )
{%- endmacro %}

{% macro bigquery__json_map(value, name, content) -%}
    json_object(
        array(
            select json_value(element, '$.{{ name }}')
            from unnest(json_query_array({{ value }})) as element with offset as place
            where json_value(element, '$.{{ name }}') is not null
            order by place
        ),
        array(
            select coalesce(json_query(element, '$.{{ content }}'), json 'null')
            from unnest(json_query_array({{ value }})) as element with offset as place
            where json_value(element, '$.{{ name }}') is not null
            order by place
        )
    )
{%- endmacro %}


{# A column that holds JSON, whatever its type. #}
{% macro as_json(value, dtype) %}
    {{- return(adapter.dispatch('as_json', 'clockify')(value, dtype)) }}
{% endmacro %}

{% macro default__as_json(value, dtype) -%}
    cast({{ value }} as jsonb)
{%- endmacro %}

{% macro duckdb__as_json(value, dtype) -%}
    {%- if 'json' in dtype or 'char' in dtype -%}
        cast({{ value }} as json)
    {%- else -%}
        to_json({{ value }})
    {%- endif -%}
{%- endmacro %}

{% macro bigquery__as_json(value, dtype) -%}
    {%- if dtype == 'string' -%}
        safe.parse_json({{ value }}, wide_number_mode => 'round')
    {%- elif dtype == 'bytes' -%}
        safe.parse_json(safe_convert_bytes_to_string({{ value }}), wide_number_mode => 'round')
    {%- elif dtype in ('json', '') -%}
        {{ value }}
    {%- else -%}
        to_json({{ value }})
    {%- endif -%}
{%- endmacro %}

{% macro type_json() %}
    {{- return(adapter.dispatch('type_json', 'clockify')()) }}
{% endmacro %}

{% macro default__type_json() %}jsonb{% endmacro %}

{% macro duckdb__type_json() %}json{% endmacro %}

{% macro bigquery__type_json() %}json{% endmacro %}


{# The member of a JSON object as text, be it a scalar or not; null for a JSON null. #}
{% macro json_value_text(value, name) %}
    {{- return(adapter.dispatch('json_value_text', 'clockify')(value, name)) }}
{% endmacro %}

{% macro default__json_value_text(value, name) -%}
    {{ clockify.json_text(value, [name]) }}
{%- endmacro %}

{% macro bigquery__json_value_text(value, name) -%}
    coalesce(
        {{ clockify.json_text(value, [name]) }},
        nullif(to_json_string({{ clockify.json_part(value, [name]) }}), 'null')
    )
{%- endmacro %}
