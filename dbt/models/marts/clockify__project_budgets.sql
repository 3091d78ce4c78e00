{%- set interval = clockify.json_text('projects.estimate_reset', ['interval']) -%}
with projects as (
    select
        projects.*,
        -- An estimate that is not active may still say how it begins anew.
        coalesce(
            case when has_time_estimate then time_estimate_reset end,
            case when has_budget then budget_reset end,
            {{ interval }}
        ) as reset_interval,
        coalesce(
            {{ clockify.parse_number(clockify.json_text('projects.estimate_reset', ['dayOfMonth'])) }}, 1
        ) as reset_day_of_month
    from {{ ref('stg_clockify__projects') }} as projects
),

task_estimates as (
    select
        project_id,
        sum(estimate_seconds) as estimate_seconds,
        sum(budget_minor) as budget_minor
    from {{ ref('stg_clockify__tasks') }}
    group by project_id
),

periods as (
    select
        projects.*,
        clients.client_name,
        task_estimates.estimate_seconds as task_estimate_seconds,
        task_estimates.budget_minor as task_budget_minor,
        -- A period that begins on another day than the first of a month is not followed.
        case
            when reset_interval = 'MONTHLY' and reset_day_of_month = 1
                then cast({{ dbt.date_trunc('month', clockify.today()) }} as date)
        end as period_starts_on
    from projects
    left join {{ ref('stg_clockify__clients') }} as clients on projects.client_id = clients.client_id
    left join task_estimates on projects.project_id = task_estimates.project_id
),

entries as (
    select
        entries.project_id,
        entries.seconds,
        entries.is_billable,
        entries.currency,
        entries.billable_amount_minor,
        entries.cost_amount_minor,
        not entries.is_running and not entries.is_billable_amount_known as is_without_amount,
        entries.billable_amount_minor <> 0 or entries.cost_amount_minor <> 0 as has_amount,
        coalesce(
            cast({{ dbt.date_trunc('month', 'entries.day') }} as date) = periods.period_starts_on, false
        ) as is_in_period
    from {{ ref('clockify__time_entries') }} as entries
    inner join periods on entries.project_id = periods.project_id
),

tracked as (
    select
        project_id,
        count(distinct case when has_amount then currency end) as currencies,
        max(case when has_amount then currency end) as currency,
        sum(seconds) as tracked_seconds,
        sum(case when is_billable then seconds else 0 end) as billable_seconds,
        sum(billable_amount_minor) as billable_amount_minor,
        sum(cost_amount_minor) as cost_amount_minor,
        sum(case when is_without_amount then 1 else 0 end) as entries_without_amount,
        sum(case when is_in_period then seconds else 0 end) as period_seconds,
        sum(case when is_in_period and is_billable then seconds else 0 end) as period_billable_seconds,
        sum(case when is_in_period then billable_amount_minor else 0 end) as period_amount_minor,
        sum(case when is_in_period and is_without_amount then 1 else 0 end)
            as period_entries_without_amount
    from entries
    group by project_id
),

expenses as (
    select
        periods.project_id,
        sum(expenses.amount_minor) as expenses_minor,
        sum(
            case
                when cast({{ dbt.date_trunc('month', 'expenses.expense_day') }} as date)
                        = periods.period_starts_on
                    then expenses.amount_minor
                else 0
            end
        ) as period_expenses_minor
    from periods
    inner join {{ ref('stg_clockify__expenses') }} as expenses
        on periods.project_id = expenses.project_id
    group by periods.project_id
),

joined as (
    select
        periods.*,
        coalesce(tracked.tracked_seconds, 0) as tracked_seconds,
        coalesce(tracked.billable_seconds, 0) as billable_seconds,
        coalesce(tracked.currencies, 0) <= 1 as is_one_currency,
        case when tracked.currencies <= 1 then tracked.currency end as currency,
        case
            when tracked.project_id is null then 0
            when tracked.currencies <= 1 then tracked.billable_amount_minor
        end as billable_amount_minor,
        case
            when tracked.project_id is null then 0
            when tracked.currencies <= 1 then tracked.cost_amount_minor
        end as cost_amount_minor,
        coalesce(tracked.entries_without_amount, 0) as entries_without_amount,
        coalesce(tracked.period_entries_without_amount, 0) as period_entries_without_amount,
        coalesce(tracked.period_seconds, 0) as period_seconds,
        coalesce(tracked.period_billable_seconds, 0) as period_billable_seconds,
        coalesce(tracked.period_amount_minor, 0) as period_amount_minor,
        coalesce(expenses.expenses_minor, 0) as expenses_minor,
        coalesce(expenses.period_expenses_minor, 0) as period_expenses_minor,
        case
            when not coalesce(periods.has_time_estimate, false) then null
            when periods.time_estimate_type = 'AUTO' then periods.task_estimate_seconds
            else periods.time_estimate_seconds
        end as estimate_seconds,
        case
            when not coalesce(periods.has_budget, false) then null
            when periods.budget_type = 'AUTO' then periods.task_budget_minor
            else periods.budget_minor
        end as budget_in_force_minor
    from periods
    left join tracked on periods.project_id = tracked.project_id
    left join expenses on periods.project_id = expenses.project_id
),

counted as (
    select
        joined.*,
        reset_interval is null or period_starts_on is not null as is_period_known,
        case
            when reset_interval is null and coalesce(estimate_includes_non_billable, true)
                then tracked_seconds
            when reset_interval is null then billable_seconds
            when period_starts_on is null then null
            when coalesce(estimate_includes_non_billable, true) then period_seconds
            else period_billable_seconds
        end as counted_seconds,
        case
            when not is_one_currency then null
            when reset_interval is null and entries_without_amount = 0
                then coalesce(billable_amount_minor, 0)
                    + case when budget_includes_expenses then expenses_minor else 0 end
            when period_starts_on is not null and period_entries_without_amount = 0
                then coalesce(period_amount_minor, 0)
                    + case when budget_includes_expenses then period_expenses_minor else 0 end
        end as spent_minor
    from joined
)

select
    project_id,
    workspace_id,
    project_name,
    client_id,
    client_name,
    is_archived,
    is_template,
    reset_interval,
    period_starts_on,
    is_period_known,
    cast(estimate_seconds as {{ clockify.type_count() }}) as estimate_seconds,
    cast(counted_seconds as {{ clockify.type_count() }}) as counted_seconds,
    cast(estimate_seconds - counted_seconds as {{ clockify.type_count() }}) as remaining_seconds,
    case when estimate_seconds > 0 then {{ clockify.ratio('counted_seconds', 'estimate_seconds') }} end
        as estimate_used,
    currency,
    cast(budget_in_force_minor as {{ clockify.type_number() }}) as budget_minor,
    {{ clockify.major('budget_in_force_minor') }} as budget,
    cast(spent_minor as {{ clockify.type_number() }}) as spent_minor,
    {{ clockify.major('spent_minor') }} as spent,
    case when budget_in_force_minor > 0 then {{ clockify.ratio('spent_minor', 'budget_in_force_minor') }} end
        as budget_used,
    cast(tracked_seconds as {{ clockify.type_count() }}) as tracked_seconds,
    cast(billable_seconds as {{ clockify.type_count() }}) as billable_seconds,
    cast(billable_amount_minor as {{ clockify.type_number() }}) as billable_amount_minor,
    cast(cost_amount_minor as {{ clockify.type_number() }}) as cost_amount_minor,
    cast(expenses_minor as {{ clockify.type_number() }}) as expenses_minor,
    cast(entries_without_amount as {{ clockify.type_count() }}) as entries_without_amount
from counted
