with entries as (
    select *
    from {{ ref('clockify__time_entries') }}
),

field_values as (
    select
        entries.entry_id,
        entries.workspace_id,
        {{ clockify.json_text('field.value', ['customFieldId']) }} as custom_field_id,
        {{ clockify.json_text('field.value', ['name']) }} as value_name,
        {{ clockify.json_text('field.value', ['type']) }} as value_type,
        {{ clockify.json_value_text('field.value', 'value') }} as value_text
    from entries
    {{ clockify.join_elements('entries.custom_field_values', 'field') }}
)

select
    {{ clockify.key('field_values.entry_id', 'field_values.custom_field_id') }} as entry_custom_field_key,
    field_values.entry_id,
    field_values.workspace_id,
    field_values.custom_field_id,
    coalesce(fields.custom_field_name, field_values.value_name) as custom_field_name,
    coalesce(fields.custom_field_type, field_values.value_type) as custom_field_type,
    field_values.value_text,
    case
        when coalesce(fields.custom_field_type, field_values.value_type) = 'NUMBER'
            then {{ clockify.parse_number('field_values.value_text') }}
    end as value_number
from field_values
left join {{ ref('stg_clockify__custom_fields') }} as fields
    on field_values.custom_field_id = fields.custom_field_id
where field_values.custom_field_id is not null and field_values.value_text is not null
