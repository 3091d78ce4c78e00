{#- The shape of what newest_living reads; the unit tests fill it. -#}
select
    cast(null as {{ clockify.type_text() }}) as namespace,
    cast(null as {{ clockify.type_text() }}) as id,
    cast(null as {{ clockify.type_text() }}) as content,
    cast(null as {{ clockify.type_moment() }}) as cdc_updated_at,
    cast(null as {{ clockify.type_moment() }}) as cdc_deleted_at,
    cast(null as {{ clockify.type_moment() }}) as cdc_baseline_at,
    cast(null as {{ clockify.type_moment() }}) as loaded_at
limit 0
