{#
    From raw rows to records. `versions` are all rows of a stream as they came, with typed columns;
    `records` are what exists, merged from them as docs/change-tracking.md describes.
#}

{% macro reads_messages() %}
    {% set input = var('clockify_input', 'tables') %}
    {% if input not in ['tables', 'messages'] %}
        {% do exceptions.raise_compiler_error(
            "clockify_input is '" ~ input ~ "'; it must be tables or messages"
        ) %}
    {% endif %}
    {{- return(input == 'messages') }}
{% endmacro %}


{# The table of a stream; none where it is not synced. #}
{% macro table_of(stream) %}
    {% set table = source('clockify', stream) %}
    {% if var('clockify_assume_tables', false) %}
        {{- return(table) }}
    {% endif %}
    {% if not execute %}
        {{- return(none) }}
    {% endif %}
    {{- return(adapter.get_relation(table.database, table.schema, table.identifier)) }}
{% endmacro %}


{# All rows of a stream. `columns` are names and what they hold; without, those of the stream. #}
{% macro versions(stream, columns=none) %}
    {% set columns = clockify.columns_of(stream) if columns is none else columns %}
    {% if clockify.reads_messages() %}
        {{- return(clockify.versions_in_messages(stream, columns)) }}
    {% endif %}
    {% set table = clockify.table_of(stream) %}
    {% if table is none %}
        {{- return(clockify.no_versions(columns)) }}
    {% endif %}
    {{- return(clockify.versions_in_table(table, columns)) }}
{% endmacro %}

{% macro tracking_columns() %}
    {{- return({
        '_ab_cdc_updated_at': 'moment', '_ab_cdc_deleted_at': 'moment', '_ab_cdc_baseline_at': 'moment'
    }) }}
{% endmacro %}

{% macro versions_in_messages(stream, columns) -%}
    select
        namespace,
        {%- for name, kind in columns.items() %}
        {{ clockify.member('record', name, kind) }} as {{ adapter.quote(clockify.snake(name)) }},
        {%- endfor %}
        {%- for name, kind in clockify.tracking_columns().items() %}
        {{ clockify.member('record', name, kind) }} as {{ clockify.snake(name) }},
        {%- endfor %}
        loaded_at
    from {{ ref('stg_clockify__messages') }}
    where stream = '{{ stream }}'
{%- endmacro %}

{# A member of a JSON object as what it holds. #}
{% macro member(record, name, kind) -%}
    {%- set text = clockify.json_text(record, [name]) -%}
    {%- if kind == 'json' -%}
        {{ clockify.json_part(record, [name]) }}
    {%- elif kind == 'text' -%}
        {{ text }}
    {%- elif kind == 'number' -%}
        {{ clockify.parse_number(text) }}
    {%- elif kind == 'boolean' -%}
        case {{ text }} when 'true' then true when 'false' then false end
    {%- elif kind == 'moment' -%}
        {{ clockify.parse_moment(text) }}
    {%- elif kind == 'day' -%}
        {{ clockify.parse_day(text) }}
    {%- endif -%}
{%- endmacro %}

{% macro versions_in_table(table, columns) -%}
    {%- set found = clockify.columns_in(table) -%}
    {%- set loaded = '_airbyte_extracted_at' -%}
    {%- if found and loaded not in found -%}
        {%- set loaded = '_airbyte_emitted_at' -%}
    {%- endif -%}
    select
        cast('' as {{ clockify.type_text() }}) as namespace,
        {%- for name, kind in columns.items() %}
        {{ clockify.table_column(found, name, kind) }} as {{ adapter.quote(clockify.snake(name)) }},
        {%- endfor %}
        {%- for name, kind in clockify.tracking_columns().items() %}
        {{ clockify.table_column(found, name, kind) }} as {{ clockify.snake(name) }},
        {%- endfor %}
        {{ clockify.table_column(found, loaded, 'moment') }} as loaded_at
    from {{ table }}
{%- endmacro %}

{# The columns of a table by their names in lower case; none if they are not looked up. #}
{% macro columns_in(table) %}
    {% set found = {} %}
    {% if execute and not var('clockify_assume_tables', false) %}
        {% for column in adapter.get_columns_in_relation(table) %}
            {% do found.update({column.name.lower(): column}) %}
        {% endfor %}
    {% endif %}
    {{- return(found) }}
{% endmacro %}

{# A column of a table as what it holds, whatever its type; null if the table lacks it. #}
{% macro table_column(found, name, kind) -%}
    {%- set column = found.get(name.lower()) -%}
    {%- if not column and not var('clockify_assume_tables', false) -%}
        cast(null as {{ clockify.type_of(kind) }})
    {%- else -%}
        {%- set value = adapter.quote(column.name if column else name) -%}
        {%- set dtype = column.dtype.lower() if column else '' -%}
        {%- if kind == 'json' -%}
            {{ clockify.as_json(value, dtype) }}
        {%- elif kind == 'moment' -%}
            {{ clockify.as_moment(value, dtype) }}
        {%- elif kind == 'number' and clockify.is_text(dtype) -%}
            {{ clockify.parse_number(value) }}
        {%- elif kind == 'day' and clockify.is_text(dtype) -%}
            {{ clockify.parse_day(value) }}
        {%- elif kind == 'day' and 'time' in dtype -%}
            {{ clockify.local_day(clockify.as_moment(value, dtype), "'UTC'") }}
        {%- else -%}
            cast({{ value }} as {{ clockify.type_of(kind) }})
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}

{% macro type_of(kind) %}
    {{- return({
        'text': clockify.type_text(),
        'number': clockify.type_number(),
        'boolean': 'boolean',
        'moment': clockify.type_moment(),
        'day': 'date',
        'json': clockify.type_json(),
    }[kind]) }}
{% endmacro %}

{% macro no_versions(columns) -%}
    select
        cast(null as {{ clockify.type_text() }}) as namespace,
        {%- for name, kind in columns.items() %}
        cast(null as {{ clockify.type_of(kind) }}) as {{ adapter.quote(clockify.snake(name)) }},
        {%- endfor %}
        {%- for name, kind in clockify.tracking_columns().items() %}
        cast(null as {{ clockify.type_of(kind) }}) as {{ clockify.snake(name) }},
        {%- endfor %}
        cast(null as {{ clockify.type_moment() }}) as loaded_at
    limit 0
{%- endmacro %}


{#
    CTEs that end in `living`: the records of a stream that exist. `columns` as for `versions`. A
    receipt of a complete sync also tells the newest baseline, as of a stream that has become empty.
#}
{% macro records(stream, columns=none) -%}
    {%- set key = [] -%}
    {%- for name in clockify.streams()[stream]['key'] -%}
        {%- do key.append(clockify.snake(name)) -%}
    {%- endfor -%}
    with versions as (
        {{ clockify.versions(stream, columns) }}
    ),

    {% if stream == 'sync_log' -%}
    {#- Of two receipts of one sync the complete one holds. -#}
    {{ clockify.newest_living(
        'versions', key, group=['stream'], first="case when status = 'complete' then 1 else 2 end"
    ) }}
    {%- else -%}
    receipts as (
        select
            namespace,
            max(baseline_at) as receipt_baseline_at
        from {{ ref('stg_clockify__sync_log') }}
        where stream = '{{ stream }}' and status = 'complete'
        group by namespace
    ),

    {{ clockify.newest_living('versions', key, receipts='receipts') }}
    {%- endif %}
{%- endmacro %}


{#
    CTEs that end in `living`: of the rows of `versions`, those that exist, one for each key.

    - Void is what has an older baseline than the newest of its group, or was loaded before it.
    - Of the others the newest version counts, and none if that is a tombstone.
    - Rows without the three columns (track_changes off) count by when they were loaded.

    versions: the name of a CTE with namespace, the key, cdc_updated_at, cdc_deleted_at, cdc_baseline_at,
        loaded_at
    key: the names of its columns
    group: what has baselines of its own within a namespace
    receipts: the name of a CTE with namespace and receipt_baseline_at
    first: what a version is ordered by that came several times
#}
{% macro newest_living(versions, key, group=[], receipts=none, first=none) -%}
    {%- set names = [] -%}
    {%- for name in key -%}
        {%- do names.append('versions.' ~ adapter.quote(name)) -%}
    {%- endfor -%}
    baselines as (
        select
            versions.*,
            max(versions.cdc_baseline_at) over (
                partition by versions.namespace
                {%- for name in group %}, versions.{{ adapter.quote(name) }}{% endfor %}
            ) as row_baseline_at,
            {% if receipts %}receipts.receipt_baseline_at{% else -%}
            cast(null as {{ clockify.type_moment() }}) as receipt_baseline_at
            {%- endif %}
        from {{ versions }} as versions
        {%- if receipts %}
        left join {{ receipts }} as receipts on versions.namespace = receipts.namespace
        {%- endif %}
        where
            {% for name in key -%}
            versions.{{ adapter.quote(name) }} is not null
            {%- if not loop.last %} and {% endif %}
            {%- endfor %}
    ),

    ranked as (
        select
            versions.*,
            coalesce(
                greatest(row_baseline_at, receipt_baseline_at), row_baseline_at, receipt_baseline_at
            ) as newest_baseline_at,
            row_number() over (
                partition by versions.namespace, {{ names | join(', ') }}
                order by
                    coalesce(versions.cdc_baseline_at, versions.loaded_at) desc nulls last,
                    coalesce(versions.cdc_updated_at, versions.loaded_at) desc nulls last,
                    {% if first %}{{ first }},
                    {% endif -%}
                    versions.loaded_at desc nulls last
            ) as place
        from baselines as versions
    ),

    living as (
        select *
        from ranked
        where
            place = 1
            and cdc_deleted_at is null
            and (
                newest_baseline_at is null
                or coalesce(cdc_baseline_at, loaded_at, newest_baseline_at) >= newest_baseline_at
            )
    )
{%- endmacro %}


{# The key of a stream as one text. #}
{% macro key_of(definition) -%}
    {%- set names = [] -%}
    {%- for name in definition['key'] -%}
        {%- do names.append(adapter.quote(clockify.snake(name))) -%}
    {%- endfor -%}
    {{ clockify.key(*names) }}
{%- endmacro %}


{#
    How many records of a stream exist that begin within the window of its receipts. What begins at no
    date of four digits begins later than any window.
#}
{% macro living_count(stream) -%}
    {%- set definition = clockify.streams()[stream] -%}
    {%- set window = definition.get('window') -%}
    {%- set columns = {} -%}
    {%- for name in definition['key'] -%}
        {%- do columns.update({name: 'text'}) -%}
    {%- endfor -%}
    {%- if window -%}
        {%- do columns.update({window: 'moment' if window in ['start', 'periodStart'] else 'day'}) -%}
    {%- endif -%}
    select
        '{{ stream }}' as stream,
        living.namespace,
        count(*) as living
    from (
        {{ clockify.records(stream, columns) }}

        select *
        from living
    ) as living
    {%- if window %}
    {%- set start = 'living.' ~ adapter.quote(clockify.snake(window)) %}
    left join (
        select
            namespace,
            version_at,
            window_start,
            row_number() over (partition by namespace order by version_at desc) as place
        from {{ ref('stg_clockify__sync_log') }}
        where stream = '{{ stream }}' and status = 'complete'
    ) as windows on living.namespace = windows.namespace and windows.place = 1
    where
        windows.window_start is null
        or {{ start }} is null
        or {% if columns[window] == 'day' -%}
        {{ clockify.utc_moment(start) }}
        {%- else -%}
        {{ start }}
        {%- endif %} >= windows.window_start
    {%- endif %}
    group by living.namespace
{%- endmacro %}
