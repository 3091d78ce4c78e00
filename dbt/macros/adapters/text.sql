{# Texts and numbers in three dialects. #}

{% macro type_text() %}
    {{- return(adapter.dispatch('type_text', 'clockify')()) }}
{% endmacro %}

{% macro default__type_text() %}text{% endmacro %}

{% macro bigquery__type_text() %}string{% endmacro %}


{% macro type_number() %}
    {{- return(adapter.dispatch('type_number', 'clockify')()) }}
{% endmacro %}

{% macro default__type_number() %}numeric(38, 9){% endmacro %}

{% macro bigquery__type_number() %}numeric{% endmacro %}


{% macro type_count() %}
    {{- return(adapter.dispatch('type_count', 'clockify')()) }}
{% endmacro %}

{% macro default__type_count() %}bigint{% endmacro %}

{% macro bigquery__type_count() %}int64{% endmacro %}


{# The number that a text is; null for anything else. #}
{% macro parse_number(text) %}
    {{- return(adapter.dispatch('parse_number', 'clockify')(text)) }}
{% endmacro %}

{% macro default__parse_number(text) -%}
    case
        when {{ text }} ~ '^-?[0-9]{1,29}([.][0-9]+)?([eE][-+]?[0-9]{1,2})?$'
            then cast({{ text }} as numeric)
    end
{%- endmacro %}

{% macro duckdb__parse_number(text) -%}
    try_cast({{ text }} as numeric(38, 9))
{%- endmacro %}

{% macro bigquery__parse_number(text) -%}
    safe_cast({{ text }} as numeric)
{%- endmacro %}


{# What the group of a pattern matches. #}
{% macro matched(text, pattern) %}
    {{- return(adapter.dispatch('matched', 'clockify')(text, pattern)) }}
{% endmacro %}

{% macro default__matched(text, pattern) -%}
    substring({{ text }} from '{{ pattern }}')
{%- endmacro %}

{% macro duckdb__matched(text, pattern) -%}
    nullif(regexp_extract({{ text }}, '{{ pattern }}', 1), '')
{%- endmacro %}

{% macro bigquery__matched(text, pattern) -%}
    regexp_extract({{ text }}, r'{{ pattern }}')
{%- endmacro %}


{% macro union_distinct() %}
    {{- return(adapter.dispatch('union_distinct', 'clockify')()) }}
{% endmacro %}

{% macro default__union_distinct() %}union{% endmacro %}

{% macro bigquery__union_distinct() %}union distinct{% endmacro %}
