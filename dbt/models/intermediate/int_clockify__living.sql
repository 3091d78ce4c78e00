{#- How many records of each stream exist here, to compare with its receipts. -#}
{% for stream in clockify.streams() if stream != 'sync_log' %}
{{ clockify.living_count(stream) }}
{%- if not loop.last %}
union all
{%- endif %}
{%- endfor %}
