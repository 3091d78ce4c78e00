{# Moments, days and time zones in three dialects. A moment is a timestamp with time zone. #}

{% macro type_moment() %}
    {{- return(adapter.dispatch('type_moment', 'clockify')()) }}
{% endmacro %}

{% macro default__type_moment() %}timestamp with time zone{% endmacro %}

{% macro bigquery__type_moment() %}timestamp{% endmacro %}


{# A moment of ISO 8601 with its offset; null for anything else, as a year of five digits. #}
{% macro parse_moment(text) %}
    {{- return(adapter.dispatch('parse_moment', 'clockify')(text)) }}
{% endmacro %}

{% macro moment_pattern() -%}
^[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?(Z|[+-][0-9]{2}:?([0-9]{2})?)$
{%- endmacro %}

{% macro default__parse_moment(text) -%}
    case
        when {{ text }} ~ '{{ clockify.moment_pattern() }}' and {{ text }} not like '0000%'
            then cast({{ text }} as timestamp with time zone)
    end
{%- endmacro %}

{% macro duckdb__parse_moment(text) -%}
    case
        when regexp_matches({{ text }}, '{{ clockify.moment_pattern() }}')
            then try_cast(
                regexp_replace({{ text }}, '([.][0-9]{6})[0-9]+', '\1') as timestamp with time zone
            )
    end
{%- endmacro %}

{% macro bigquery__parse_moment(text) -%}
    case
        when regexp_contains({{ text }}, r'{{ clockify.moment_pattern() }}')
            then safe_cast(
                regexp_replace({{ text }}, r'([.][0-9]{6})[0-9]+', r'\1') as timestamp
            )
    end
{%- endmacro %}


{# A column that holds a moment, whatever its type; without an offset it is UTC. #}
{% macro as_moment(value, dtype) -%}
    {%- if clockify.is_text(dtype) -%}
        {{ clockify.parse_moment(value) }}
    {%- elif 'with time zone' in dtype or dtype in ('timestamptz', '')
            or (target.type == 'bigquery' and dtype == 'timestamp') -%}
        cast({{ value }} as {{ clockify.type_moment() }})
    {%- else -%}
        {{ clockify.utc_moment(value) }}
    {%- endif -%}
{%- endmacro %}

{% macro is_text(dtype) %}
    {{- return('char' in dtype or dtype in ('text', 'string')) }}
{% endmacro %}

{% macro utc_moment(local) %}
    {{- return(adapter.dispatch('utc_moment', 'clockify')(local)) }}
{% endmacro %}

{% macro default__utc_moment(local) -%}
    (cast({{ local }} as timestamp) at time zone 'UTC')
{%- endmacro %}

{% macro bigquery__utc_moment(local) -%}
    timestamp(cast({{ local }} as datetime), 'UTC')
{%- endmacro %}


{# The day of a text that begins with one. #}
{% macro parse_day(text) %}
    {{- return(adapter.dispatch('parse_day', 'clockify')(text)) }}
{% endmacro %}

{% macro default__parse_day(text) -%}
    case
        when {{ text }} ~ '^[0-9]{4}-[0-9]{2}-[0-9]{2}' and {{ text }} not like '0000%'
            then cast(left({{ text }}, 10) as date)
    end
{%- endmacro %}

{% macro duckdb__parse_day(text) -%}
    try_cast(left({{ text }}, 10) as date)
{%- endmacro %}

{% macro bigquery__parse_day(text) -%}
    safe_cast(left({{ text }}, 10) as date)
{%- endmacro %}


{# The day of a moment in a time zone that the warehouse knows. #}
{% macro local_day(moment, zone) %}
    {{- return(adapter.dispatch('local_day', 'clockify')(moment, zone)) }}
{% endmacro %}

{% macro default__local_day(moment, zone) -%}
    cast(({{ moment }} at time zone {{ zone }}) as date)
{%- endmacro %}

{% macro bigquery__local_day(moment, zone) -%}
    date({{ moment }}, {{ zone }})
{%- endmacro %}


{# The moment at which a day begins in a time zone. #}
{% macro day_begins(day, zone) %}
    {{- return(adapter.dispatch('day_begins', 'clockify')(day, zone)) }}
{% endmacro %}

{% macro default__day_begins(day, zone) -%}
    (cast({{ day }} as timestamp) at time zone {{ zone }})
{%- endmacro %}

{% macro bigquery__day_begins(day, zone) -%}
    timestamp({{ day }}, {{ zone }})
{%- endmacro %}


{% macro is_known_zone(zone) %}
    {{- return(adapter.dispatch('is_known_zone', 'clockify')(zone)) }}
{% endmacro %}

{% macro default__is_known_zone(zone) -%}
    {{ zone }} in (select name from pg_timezone_names)
{%- endmacro %}

{% macro duckdb__is_known_zone(zone) -%}
    {{ zone }} in (select name from pg_timezone_names())
{%- endmacro %}

{% macro bigquery__is_known_zone(zone) -%}
    safe.datetime(timestamp '2000-01-01 00:00:00+00', {{ zone }}) is not null
{%- endmacro %}


{# Whole seconds from one moment to another. #}
{% macro seconds_between(start, end) %}
    {{- return(adapter.dispatch('seconds_between', 'clockify')(start, end)) }}
{% endmacro %}

{% macro default__seconds_between(start, end) -%}
    cast(extract(epoch from {{ end }}) - extract(epoch from {{ start }}) as bigint)
{%- endmacro %}

{% macro bigquery__seconds_between(start, end) -%}
    cast(round(timestamp_diff({{ end }}, {{ start }}, millisecond) / 1000) as int64)
{%- endmacro %}


{% macro add_days(day, days) %}
    {{- return(adapter.dispatch('add_days', 'clockify')(day, days)) }}
{% endmacro %}

{% macro default__add_days(day, days) -%}
    ({{ day }} + cast({{ days }} as integer))
{%- endmacro %}

{% macro bigquery__add_days(day, days) -%}
    date_add({{ day }}, interval cast({{ days }} as int64) day)
{%- endmacro %}


{% macro days_between(first, last) %}
    {{- return(adapter.dispatch('days_between', 'clockify')(first, last)) }}
{% endmacro %}

{% macro default__days_between(first, last) -%}
    ({{ last }} - {{ first }})
{%- endmacro %}

{% macro bigquery__days_between(first, last) -%}
    date_diff({{ last }}, {{ first }}, day)
{%- endmacro %}


{# 1 for Monday to 7 for Sunday. #}
{% macro weekday(day) %}
    {{- return(adapter.dispatch('weekday', 'clockify')(day)) }}
{% endmacro %}

{% macro default__weekday(day) -%}
    cast(extract(isodow from {{ day }}) as integer)
{%- endmacro %}

{% macro bigquery__weekday(day) -%}
    (mod(extract(dayofweek from {{ day }}) + 5, 7) + 1)
{%- endmacro %}


{# A join with the days of a range, each as `alias.day`. #}
{% macro join_days(first, last, alias) %}
    {{- return(adapter.dispatch('join_days', 'clockify')(first, last, alias)) }}
{% endmacro %}

{% macro default__join_days(first, last, alias) -%}
    cross join lateral (
        select cast(moment as date) as day
        from generate_series(
            cast({{ first }} as timestamp), cast({{ last }} as timestamp), interval '1 day'
        ) as moments (moment)
    ) as {{ alias }}
{%- endmacro %}

{% macro duckdb__join_days(first, last, alias) -%}
    cross join lateral (
        select cast(unnest(
            generate_series(
                cast({{ first }} as timestamp), cast({{ last }} as timestamp), interval '1 day'
            )
        ) as date) as day
    ) as {{ alias }}
{%- endmacro %}

{% macro bigquery__join_days(first, last, alias) -%}
    cross join unnest(
        array(
            select as struct day
            from unnest(generate_date_array({{ first }}, {{ last }})) as day
        )
    ) as {{ alias }}
{%- endmacro %}


{# Milliseconds since 1970 as a moment. #}
{% macro moment_of_ms(ms) %}
    {{- return(adapter.dispatch('moment_of_ms', 'clockify')(ms)) }}
{% endmacro %}

{% macro default__moment_of_ms(ms) -%}
    to_timestamp({{ ms }} / 1000.0)
{%- endmacro %}

{% macro duckdb__moment_of_ms(ms) -%}
    to_timestamp(cast({{ ms }} as double) / 1000)
{%- endmacro %}

{% macro bigquery__moment_of_ms(ms) -%}
    timestamp_millis(cast({{ ms }} as int64))
{%- endmacro %}


{# A moment as milliseconds since 1970. #}
{% macro ms_of_moment(moment) %}
    {{- return(adapter.dispatch('ms_of_moment', 'clockify')(moment)) }}
{% endmacro %}

{% macro default__ms_of_moment(moment) -%}
    cast(extract(epoch from {{ moment }}) * 1000 as bigint)
{%- endmacro %}

{% macro bigquery__ms_of_moment(moment) -%}
    unix_millis({{ moment }})
{%- endmacro %}
