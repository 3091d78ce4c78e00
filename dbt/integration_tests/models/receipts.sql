{#- The newest baseline of a complete receipt; the unit tests fill it. -#}
select
    cast(null as {{ clockify.type_text() }}) as namespace,
    cast(null as {{ clockify.type_moment() }}) as receipt_baseline_at
limit 0
