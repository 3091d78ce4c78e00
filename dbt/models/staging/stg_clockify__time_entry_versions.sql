{#- Every version of every entry that is still in the table, tombstones included, once each. -#}
with versions as (
    {{ clockify.versions('time_entries') }}
),

numbered as (
    select
        versions.*,
        row_number() over (
            partition by namespace, id, coalesce(cdc_updated_at, loaded_at) order by loaded_at desc nulls last
        ) as place
    from versions
    where id is not null
)

select
    {{ clockify.entry_columns() }},
    coalesce(cdc_updated_at, loaded_at) as version_at,
    cdc_deleted_at as deleted_at,
    cdc_baseline_at as baseline_at,
    namespace
from numbered
where place = 1
