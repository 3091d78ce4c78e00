{#- How many keys of each stream have each version: what arrived of each sync. -#}
{% for stream, definition in clockify.streams().items() if stream != 'sync_log' %}
{%- set columns = {} -%}
{%- for name in definition['key'] -%}{%- do columns.update({name: 'text'}) -%}{%- endfor %}
select
    '{{ stream }}' as stream,
    namespace,
    cdc_updated_at as version_at,
    cdc_baseline_at as baseline_at,
    count(distinct {{ clockify.key_of(definition) }}) as arrived
from (
    {{ clockify.versions(stream, columns) }}
) as versions
where
    cdc_updated_at is not null
    {%- for name in definition['key'] %}
    and {{ adapter.quote(clockify.snake(name)) }} is not null
    {%- endfor %}
group by 2, 3, 4
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
