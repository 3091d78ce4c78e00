-- Which syncs did not arrive whole, and what has to be refreshed: no row if all is well. It needs
-- the stream sync_log in the connection, and the views of records.sql.
--
--   bq query --use_legacy_sql=false < examples/bigquery/sync_log.sql
--   bq query --use_legacy_sql=false 'SELECT * FROM clockify.sync_problems'
--
-- It was run as records.sql: translated, in DuckDB, not in BigQuery. The kinds of problems:
--
--   lost        some records of the sync of `sync_at` did not arrive: `lost` of `expected`
--   missing     nothing arrived of that sync, not even its receipt
--   snapshot    the snapshot of `sync_at` is not complete yet; the next syncs complete it
--   incomplete  the last sync of the stream failed half-way; the next one reads the rest
--   live        `expected` records exist, `lost` of which are not here (below 0: too many are here);
--               with 0 expected, the stream is empty now
--
-- `refresh` is true where only a Refresh of the stream helps. Otherwise, with resend_changes above 0,
-- the next sync does that begins an hour or more later and in which the stream does not fail.
CREATE OR REPLACE VIEW clockify.receipts AS
SELECT
    namespace,
    JSON_VALUE(record, '$.stream') AS stream,
    updated_at,
    baseline_at,
    JSON_VALUE(record, '$.previous_updated_at') AS previous_updated_at,
    JSON_VALUE(record, '$.status') AS status,
    SAFE_CAST(JSON_VALUE(record, '$.sent') AS INT64)
        + SAFE_CAST(JSON_VALUE(record, '$.deleted') AS INT64) AS expected,
    SAFE_CAST(JSON_VALUE(record, '$.live') AS INT64) AS live,
    SAFE_CAST(JSON_VALUE(record, '$.window_start') AS TIMESTAMP) AS window_start,
    SAFE_CAST(updated_at AS TIMESTAMP) AS sync_time
FROM clockify.records
WHERE stream = 'sync_log';

CREATE OR REPLACE VIEW clockify.sync_problems AS
WITH arrivals AS (
    SELECT namespace, stream, updated_at, COUNT(DISTINCT key) AS arrived
    FROM clockify.versions
    GROUP BY namespace, stream, updated_at
),

newest AS (
    -- A sync in which the stream failed may not have sent anything again.
    SELECT
        namespace,
        stream,
        MAX(CASE WHEN status = 'complete' THEN sync_time END) AS newest_time
    FROM clockify.receipts
    GROUP BY namespace, stream
),

counted AS (
    SELECT
        receipts.*,
        newest.newest_time,
        receipts.expected - IFNULL(arrivals.arrived, 0) AS lost,
        previous.updated_at IS NULL AND receipts.previous_updated_at IS NOT NULL AS lacks_previous
    FROM clockify.receipts AS receipts
    INNER JOIN newest
        ON receipts.namespace = newest.namespace AND receipts.stream = newest.stream
    LEFT JOIN arrivals
        ON receipts.namespace = arrivals.namespace
        AND receipts.stream = arrivals.stream
        AND receipts.updated_at = arrivals.updated_at
    LEFT JOIN clockify.receipts AS previous
        ON receipts.namespace = previous.namespace
        AND receipts.stream = previous.stream
        AND receipts.previous_updated_at = previous.updated_at
),

-- What a complete sync an hour later did not bring, or never will be sent again, has to be
-- refreshed.
losses AS (
    SELECT
        'lost' AS kind,
        namespace,
        stream,
        updated_at AS sync_at,
        lost,
        expected,
        updated_at = baseline_at
            OR IFNULL(TIMESTAMP_DIFF(newest_time, sync_time, SECOND) >= 3600, FALSE) AS refresh
    FROM counted
    WHERE lost > 0
    UNION ALL
    SELECT
        'missing' AS kind,
        namespace,
        stream,
        previous_updated_at AS sync_at,
        NULL AS lost,
        NULL AS expected,
        previous_updated_at = baseline_at
            OR IFNULL(
                TIMESTAMP_DIFF(
                    newest_time, SAFE_CAST(previous_updated_at AS TIMESTAMP), SECOND
                ) >= 3600,
                FALSE
            ) AS refresh
    FROM counted
    WHERE lacks_previous
),

-- The last receipt of each stream, and the last complete one.
last_receipts AS (
    SELECT namespace, stream, MAX(updated_at) AS updated_at
    FROM clockify.receipts
    GROUP BY namespace, stream
),

last_complete AS (
    SELECT namespace, stream, MAX(updated_at) AS updated_at
    FROM clockify.receipts
    WHERE status = 'complete'
    GROUP BY namespace, stream
),

complete AS (
    SELECT receipts.*
    FROM clockify.receipts AS receipts
    INNER JOIN last_complete
        ON receipts.namespace = last_complete.namespace
        AND receipts.stream = last_complete.stream
        AND receipts.updated_at = last_complete.updated_at
),

-- Each record as of the last complete sync of its stream.
as_of AS (
    SELECT
        versions.namespace,
        versions.stream,
        versions.deleted_at,
        complete.window_start,
        SAFE_CAST(
            CASE
                WHEN versions.stream IN ('time_entries', 'detailed_report')
                    THEN JSON_VALUE(versions.record, '$.start')
                WHEN versions.stream = 'scheduling_assignments'
                    THEN JSON_VALUE(versions.record, '$.periodStart')
                WHEN versions.stream IN ('summary_report', 'attendance_report', 'expense_report')
                    THEN JSON_VALUE(versions.record, '$.date')
                WHEN versions.stream = 'weekly_report'
                    THEN JSON_VALUE(versions.record, '$.weekStart')
            END AS TIMESTAMP
        ) AS start,
        ROW_NUMBER() OVER (
            PARTITION BY versions.namespace, versions.stream, versions.key
            ORDER BY versions.updated_at DESC
        ) AS place
    FROM clockify.versions AS versions
    INNER JOIN complete
        ON versions.namespace = complete.namespace
        AND versions.stream = complete.stream
        AND versions.baseline_at = complete.baseline_at
        AND versions.updated_at <= complete.updated_at
),

here AS (
    SELECT namespace, stream, COUNT(*) AS records
    FROM as_of
    -- What is no date of the years 1 to 9999 begins later than any window.
    WHERE place = 1
        AND deleted_at IS NULL
        AND (window_start IS NULL OR start IS NULL OR start >= window_start)
    GROUP BY namespace, stream
)

SELECT kind, namespace, stream, sync_at, lost, expected, refresh
FROM losses
UNION ALL
SELECT 'snapshot', known.namespace, known.stream, known.baseline_at, NULL, NULL, FALSE
FROM (
    SELECT namespace, about AS stream, MAX(baseline_at) AS baseline_at
    FROM clockify.versions
    GROUP BY namespace, about
) AS known
-- Of streams that should have receipts: not those of a connection without sync_log, or of the time
-- before it was selected.
INNER JOIN (
    SELECT namespace, MIN(CASE WHEN status = 'complete' THEN updated_at END) AS updated_at
    FROM clockify.receipts
    GROUP BY namespace
) AS oldest
    ON known.namespace = oldest.namespace
LEFT JOIN newest
    ON known.namespace = newest.namespace AND known.stream = newest.stream
LEFT JOIN complete
    ON known.namespace = complete.namespace
    AND known.stream = complete.stream
    AND known.baseline_at = complete.baseline_at
WHERE complete.stream IS NULL
    AND (newest.stream IS NOT NULL OR known.baseline_at >= oldest.updated_at)
UNION ALL
SELECT 'incomplete', receipts.namespace, receipts.stream, receipts.updated_at, NULL, NULL, FALSE
FROM clockify.receipts AS receipts
INNER JOIN last_receipts
    ON receipts.namespace = last_receipts.namespace
    AND receipts.stream = last_receipts.stream
    AND receipts.updated_at = last_receipts.updated_at
INNER JOIN complete
    ON receipts.namespace = complete.namespace
    AND receipts.stream = complete.stream
    AND receipts.baseline_at = complete.baseline_at
WHERE receipts.status <> 'complete'
UNION ALL
SELECT
    'live',
    complete.namespace,
    complete.stream,
    complete.updated_at,
    complete.live - IFNULL(here.records, 0),
    complete.live,
    TRUE
FROM complete
LEFT JOIN here
    ON complete.namespace = here.namespace AND complete.stream = here.stream
LEFT JOIN losses
    ON complete.namespace = losses.namespace AND complete.stream = losses.stream
WHERE complete.live <> IFNULL(here.records, 0) AND losses.stream IS NULL;
