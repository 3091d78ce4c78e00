-- The time entries that exist, as columns: a pattern for every other stream.
--
--   bq query --use_legacy_sql=false < examples/bigquery/time_entries.sql
--
-- It needs the view of records.sql, and was run as that one: translated, in DuckDB, not in BigQuery.
-- For another stream exchange its name and the columns. The key is already merged, so it makes no
-- difference how many columns it has.
CREATE OR REPLACE VIEW clockify.time_entries AS
SELECT
    namespace,
    JSON_VALUE(record, '$.id') AS id,
    JSON_VALUE(record, '$.workspaceId') AS workspaceId,
    JSON_VALUE(record, '$.userId') AS userId,
    JSON_VALUE(record, '$.projectId') AS projectId,
    JSON_VALUE(record, '$.taskId') AS taskId,
    JSON_VALUE_ARRAY(record, '$.tagIds') AS tagIds,
    JSON_VALUE(record, '$.description') AS description,
    JSON_VALUE(record, '$.type') AS type,
    SAFE_CAST(JSON_VALUE(record, '$.billable') AS BOOL) AS billable,
    -- Without an end the timer is still running.
    SAFE_CAST(JSON_VALUE(record, '$.timeInterval.start') AS TIMESTAMP) AS started_at,
    SAFE_CAST(JSON_VALUE(record, '$.timeInterval.end') AS TIMESTAMP) AS ended_at,
    TIMESTAMP_DIFF(
        SAFE_CAST(JSON_VALUE(record, '$.timeInterval.end') AS TIMESTAMP),
        SAFE_CAST(JSON_VALUE(record, '$.timeInterval.start') AS TIMESTAMP),
        SECOND
    ) AS seconds,
    -- In minor currency units: 4250 is 42.50.
    SAFE_CAST(JSON_VALUE(record, '$.hourlyRate.amount') AS INT64) AS hourlyRateAmount,
    JSON_VALUE(record, '$.hourlyRate.currency') AS hourlyRateCurrency,
    SAFE_CAST(updated_at AS TIMESTAMP) AS updated_at
FROM clockify.records
WHERE stream = 'time_entries';
