{# Columns that several models need. #}

{# The amount of a rate such as {"amount": 4250, "currency": "EUR"}, in minor units. #}
{% macro minor_amount(rate) -%}
    {{ clockify.parse_number(clockify.json_text(rate, ['amount'])) }}
{%- endmacro %}


{# Seconds of an ISO 8601 duration such as PT222H24M; null for anything else. #}
{% macro iso_seconds(text) -%}
    case
        when {{ clockify.matched(text, '^(-?P[-0-9DTHMS.]+)$') }} is not null
            then cast(
                {%- for unit, seconds in [('D', 86400), ('H', 3600), ('M', 60), ('S', 1)] %}
                {% if not loop.first %}+ {% endif -%}
                {{ seconds }} * coalesce(
                    cast({{ clockify.matched(text, '(-?[0-9]+)' ~ unit) }} as {{ clockify.type_count() }}), 0
                )
                {%- endfor %} as {{ clockify.type_count() }}
            )
    end
{%- endmacro %}


{# The columns of a time entry, of its record or of a version of it. #}
{% macro entry_columns() -%}
    id as entry_id,
    workspace_id,
    user_id,
    project_id,
    task_id,
    description,
    {{ adapter.quote('type') }} as entry_type,
    billable as is_billable,
    is_locked,
    kiosk_id,
    {{ clockify.json_text('time_interval', ['start']) }} as started_text,
    {{ clockify.parse_moment(clockify.json_text('time_interval', ['start'])) }} as started_at,
    {{ clockify.parse_moment(clockify.json_text('time_interval', ['end'])) }} as ended_at,
    {{ clockify.entry_seconds('time_interval') }} as seconds,
    {{ clockify.json_text('time_interval', ['end']) }} is null
        and {{ clockify.json_text('time_interval', ['start']) }} is not null as is_running,
    {{ clockify.minor_amount('hourly_rate') }} as hourly_rate_minor,
    {{ clockify.minor_amount('cost_rate') }} as cost_rate_minor,
    coalesce(
        {{ clockify.json_text('hourly_rate', ['currency']) }},
        {{ clockify.json_text('cost_rate', ['currency']) }}
    ) as currency,
    tag_ids,
    custom_field_values,
    {{ clockify.json_map('custom_field_values', 'customFieldId', 'value') }} as custom_fields
{%- endmacro %}


{# From start to end; where they are no dates of four digits, what Clockify says. #}
{% macro entry_seconds(interval) -%}
    {%- set start = clockify.parse_moment(clockify.json_text(interval, ['start'])) -%}
    {%- set end = clockify.parse_moment(clockify.json_text(interval, ['end'])) -%}
    coalesce(
        {{ clockify.seconds_between(start, end) }},
        {{ clockify.iso_seconds(clockify.json_text(interval, ['duration'])) }}
    )
{%- endmacro %}


{# The first day of the week of a day. #}
{% macro week_of(day) -%}
    {{ clockify.add_days(
        day,
        '-mod(' ~ clockify.weekday(day) ~ ' - ' ~ var('clockify_week_starts_on', 1) ~ ' + 7, 7)'
    ) }}
{%- endmacro %}


{# Today, or the day that clockify_today names. #}
{% macro today() -%}
    {%- if var('clockify_today', '') -%}
        cast('{{ var("clockify_today") }}' as date)
    {%- else -%}
        current_date
    {%- endif -%}
{%- endmacro %}


{# Minor units as units of the currency. #}
{% macro major(minor) -%}
    cast({{ minor }} / {{ var('clockify_minor_units', 100) }} as {{ clockify.type_number() }})
{%- endmacro %}


{# Seconds as hours. #}
{% macro hours(seconds) -%}
    cast({{ seconds }} / 3600.0 as {{ clockify.type_number() }})
{%- endmacro %}


{# One text that identifies a row. #}
{% macro key() -%}
    concat(
        {%- for part in varargs -%}
        {% if not loop.first %}, '/', {% endif %}coalesce(cast({{ part }} as {{ clockify.type_text() }}), '')
        {%- endfor -%}
    )
{%- endmacro %}


{% macro no_json() -%}
    cast(null as {{ clockify.type_json() }})
{%- endmacro %}


{# The time zone of an entry's day; `users` has time_zone_or_fallback. #}
{% macro zone_of(users) -%}
    {%- if var('clockify_time_zone', 'user') == 'user' -%}
        coalesce({{ users }}.time_zone_or_fallback, '{{ var("clockify_fallback_time_zone", "UTC") }}')
    {%- else -%}
        '{{ var("clockify_time_zone") }}'
    {%- endif -%}
{%- endmacro %}


{# Whether an entry counts as work, and not as a break or an absence. #}
{% macro is_work(entry_type) -%}
    coalesce({{ entry_type }}, 'REGULAR') not in ('BREAK', 'HOLIDAY', 'TIME_OFF', 'TIMEOFF')
{%- endmacro %}


{% macro ratio(part, whole) -%}
    cast(
        cast({{ part }} as {{ clockify.type_number() }}) / {{ whole }} as {{ clockify.type_number() }}
    )
{%- endmacro %}


{# Whether a stream is synced, as a scalar: without its table, nothing is no answer. #}
{% macro is_synced(stream) -%}
    (select max(case when is_synced then 1 else 0 end) from {{ ref('int_clockify__streams') }}
    where stream = '{{ stream }}') = 1
{%- endmacro %}


{# Whether former versions of a record are still in the raw table. #}
{% macro keeps_versions() -%}
    {{- 'true' if clockify.reads_messages() or var('clockify_tables_keep_versions', false) else 'false' -}}
{%- endmacro %}


{# Whether two values differ, where null is a value too. #}
{% macro differs(one, other) -%}
    (coalesce({{ one }} <> {{ other }}, false) or ({{ one }} is null) <> ({{ other }} is null))
{%- endmacro %}
