-- What exists in Clockify: a row for each record of each stream, merged from all messages of the
-- topic as docs/change-tracking.md describes. Repeated and late messages do no harm. While a
-- Refresh of a stream runs, only what has arrived of its new baseline is here. The view `versions`
-- has every message with its key, void ones too; sync_log.sql needs it as well.
--
--   bq query --use_legacy_sql=false < examples/bigquery/records.sql
--
-- It needs the table `clockify.messages`, filled by a BigQuery subscription as examples/README.md
-- sets it up; the columns `data` and `attributes` may be JSON or STRING. A message that is no record
-- with key and version is left out. integration_tests/test_examples.py translates the query for
-- DuckDB and runs it there over the messages of real syncs; it was not run in BigQuery.
CREATE OR REPLACE VIEW clockify.versions AS
WITH messages AS (
    SELECT
        IFNULL(JSON_VALUE(attributes, '$._namespace'), '') AS namespace,
        JSON_VALUE(attributes, '$._stream') AS stream,
        JSON_QUERY(data, '$._airbyte_data') AS record
    FROM clockify.messages
),

keyed AS (
    SELECT
        namespace,
        stream,
        -- The primary keys that discover names. A part that is missing makes the whole key NULL.
        CASE
            WHEN stream IN ('users', 'audit_log')
                THEN JSON_VALUE(record, '$.workspaceId') || '/' || JSON_VALUE(record, '$.id')
            WHEN stream = 'member_profiles'
                THEN JSON_VALUE(record, '$.workspaceId') || '/' || JSON_VALUE(record, '$.userId')
            WHEN stream = 'sync_log'
                THEN JSON_VALUE(record, '$.stream') || '/'
                    || JSON_VALUE(record, '$._ab_cdc_updated_at')
            WHEN stream = 'invoice_settings'
                THEN JSON_VALUE(record, '$.workspaceId')
            WHEN stream = 'time_off_balances'
                THEN JSON_VALUE(record, '$.policyId') || '/' || JSON_VALUE(record, '$.userId')
            WHEN stream = 'detailed_report'
                THEN JSON_VALUE(record, '$.workspaceId') || '/' || JSON_VALUE(record, '$._id')
            WHEN stream = 'summary_report'
                THEN JSON_VALUE(record, '$.workspaceId') || '/' || JSON_VALUE(record, '$.date')
            WHEN stream = 'weekly_report'
                THEN JSON_VALUE(record, '$.workspaceId') || '/'
                    || JSON_VALUE(record, '$.weekStart') || '/' || JSON_VALUE(record, '$._id')
            WHEN stream = 'attendance_report'
                THEN JSON_VALUE(record, '$.workspaceId') || '/'
                    || JSON_VALUE(record, '$.userId') || '/' || JSON_VALUE(record, '$.date')
            WHEN stream = 'scheduling_user_totals'
                THEN JSON_VALUE(record, '$.workspaceId') || '/' || JSON_VALUE(record, '$.userId')
            WHEN stream = 'scheduling_project_totals'
                THEN JSON_VALUE(record, '$.workspaceId') || '/'
                    || JSON_VALUE(record, '$.projectId') || '/' || JSON_VALUE(record, '$.taskId')
            WHEN stream = 'project_custom_fields'
                THEN JSON_VALUE(record, '$.projectId') || '/' || JSON_VALUE(record, '$.id')
            WHEN stream IN (
                'entity_changes_created', 'entity_changes_updated', 'entity_changes_deleted'
            )
                THEN JSON_VALUE(record, '$.workspaceId') || '/'
                    || JSON_VALUE(record, '$.documentCode') || '/'
                    || JSON_VALUE(record, '$.id') || '/' || JSON_VALUE(record, '$.timestamp')
            WHEN stream = 'time_entries_changed'
                THEN JSON_VALUE(record, '$.workspaceId') || '/'
                    || JSON_VALUE(record, '$.id') || '/' || JSON_VALUE(record, '$.changedAt')
            WHEN stream = 'time_entries_deleted'
                THEN JSON_VALUE(record, '$.workspaceId') || '/'
                    || JSON_VALUE(record, '$.id') || '/' || JSON_VALUE(record, '$.deletedAt')
            ELSE JSON_VALUE(record, '$.id')
        END AS key,
        JSON_VALUE(record, '$._ab_cdc_baseline_at') AS baseline_at,
        JSON_VALUE(record, '$._ab_cdc_updated_at') AS updated_at,
        JSON_VALUE(record, '$._ab_cdc_deleted_at') AS deleted_at,
        record
    FROM messages
)

SELECT
    namespace,
    stream,
    -- A baseline holds for one stream: of receipts, for the stream that they are for.
    CASE WHEN stream = 'sync_log' THEN JSON_VALUE(record, '$.stream') ELSE stream END AS about,
    key,
    baseline_at,
    updated_at,
    deleted_at,
    record
FROM keyed
-- Anything else than a moment would be the newest baseline, and make all others void.
WHERE key IS NOT NULL
    AND SAFE_CAST(baseline_at AS TIMESTAMP) IS NOT NULL
    AND SAFE_CAST(updated_at AS TIMESTAMP) IS NOT NULL;

CREATE OR REPLACE VIEW clockify.records AS
WITH baselines AS (
    SELECT namespace, about, MAX(baseline_at) AS newest_baseline_at
    FROM clockify.versions
    -- The receipt of a complete sync tells the baseline of a stream that is empty, too.
    WHERE stream = about OR JSON_VALUE(record, '$.status') = 'complete'
    GROUP BY namespace, about
),

ranked AS (
    SELECT
        versions.*,
        ROW_NUMBER() OVER (
            PARTITION BY namespace, stream, key ORDER BY baseline_at DESC, updated_at DESC
        ) AS place
    FROM clockify.versions AS versions
)

SELECT
    ranked.namespace,
    ranked.stream,
    ranked.key,
    ranked.baseline_at,
    ranked.updated_at,
    ranked.record
FROM ranked
LEFT JOIN baselines
    ON ranked.namespace = baselines.namespace AND ranked.about = baselines.about
WHERE ranked.place = 1
    AND ranked.deleted_at IS NULL
    AND ranked.baseline_at >= IFNULL(baselines.newest_baseline_at, '');
