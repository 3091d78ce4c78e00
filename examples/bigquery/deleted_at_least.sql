-- For the manifest alone, in Airbyte Cloud: at least these entities are deleted in Clockify.
--
--   bq query --use_legacy_sql=false < examples/bigquery/deleted_at_least.sql
--
-- It needs the table `clockify.messages`, as records.sql does, and the stream
-- entity_changes_deleted. Clockify's feed of deletions is experimental and drops some, so an entity
-- that is not here may be deleted too. What a sync sent after the deletion was first told was
-- restored, and is left out: so read the streams too whose deletions you ask for.
-- integration_tests/test_cloud_topic.py runs it as records.sql is run: translated, in DuckDB, not in
-- BigQuery.
CREATE OR REPLACE VIEW clockify.deleted_at_least AS
WITH messages AS (
    SELECT
        IFNULL(JSON_VALUE(attributes, '$._namespace'), '') AS namespace,
        JSON_VALUE(attributes, '$._stream') AS stream,
        JSON_QUERY(data, '$._airbyte_data') AS record,
        SAFE_CAST(JSON_VALUE(data, '$._airbyte_emitted_at') AS INT64) AS sent_at
    FROM clockify.messages
),

told AS (
    SELECT
        namespace,
        JSON_VALUE(record, '$.workspaceId') AS workspaceId,
        JSON_VALUE(record, '$.documentCode') AS documentCode,
        JSON_VALUE(record, '$.id') AS id,
        MAX(JSON_VALUE(record, '$.timestamp')) AS deleted_at,
        MIN(sent_at) AS told_at
    FROM messages
    WHERE stream = 'entity_changes_deleted'
    GROUP BY 1, 2, 3, 4
),

-- Ids are unique in all of Clockify, whatever they name.
sent AS (
    SELECT namespace, JSON_VALUE(record, '$.id') AS id, MAX(sent_at) AS sent_at
    FROM messages
    WHERE stream NOT IN (
        'entity_changes_created', 'entity_changes_updated', 'entity_changes_deleted',
        'time_entries_deleted'
    )
    GROUP BY 1, 2
)

SELECT told.*
FROM told
LEFT JOIN sent USING (namespace, id)
WHERE sent.sent_at IS NULL OR sent.sent_at <= told.told_at;
