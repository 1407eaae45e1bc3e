CREATE FUNCTION lifecycle.verify_migrations() RETURNS SETOF lifecycle.finding
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH latest AS (
        -- An object that several steps touched is judged by the last of them.
        SELECT DISTINCT ON (s.object) s.*, m.origin, m.feature, h.name,
            -- What makes it anew is all that made it.
            min(s.step) OVER made AS first_step, string_agg(s.statement, '; ') OVER made AS statements
        FROM lifecycle.migration_step AS s
        JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id AND m.state <> 'rolled_back'
        JOIN lifecycle.migration_history AS h ON h.migration_id = m.migration_id
        WHERE s.status <> 'rolled_back'
        WINDOW made AS (PARTITION BY s.object, s.migration_id ORDER BY s.step
            ROWS BETWEEN UNBOUNDED PRECEDING AND UNBOUNDED FOLLOWING)
        ORDER BY s.object, s.migration_id DESC, s.step DESC
    ), located AS (
        SELECT l.*, lifecycle._locate(l.object, l.address, l.origin) AS now FROM latest AS l
    ), judged AS (
        SELECT l.*,
            CASE
                WHEN l.status IN ('pending', 'failed') THEN l.status
                WHEN l.address IS NULL THEN 'ok'
                WHEN l.now IS NULL THEN 'missing'
                WHEN l.server_major = current_setting('server_version_num')::integer / 10000
                    AND l.fingerprint <> md5(lifecycle._definition(l.now)) THEN 'changed'
                WHEN l.origin = lifecycle._origin()
                    AND lifecycle._identity(l.now) <> lifecycle._identity(lifecycle._address(l.object))
                    OR l.origin = lifecycle._origin() AND lifecycle._address(l.object) IS NULL THEN 'renamed'
                ELSE 'ok'
            END AS verdict
        FROM located AS l
    )
    SELECT
        CASE
            WHEN j.verdict = 'ok' THEN 'ok'
            WHEN j.verdict = 'renamed' THEN 'info'
            WHEN j.verdict IN ('missing', 'failed') THEN 'error'
            ELSE 'warning'
        END,
        j.object,
        j.verdict,
        format('migration %s (%s), step %s: %s', j.migration_id, j.name, j.step, CASE j.verdict
            WHEN 'ok' THEN 'as it was made'
            WHEN 'missing' THEN CASE WHEN j.feature = 'incremental_view'
                THEN 'somebody has dropped it: take away what is left of the view, and create it anew'
                ELSE 'somebody has dropped it' END
            WHEN 'changed' THEN 'its definition is not the one that was made'
            WHEN 'renamed' THEN 'it is now ' || lifecycle._identity(j.now)
            WHEN 'failed' THEN format('%s (%s)', j.message, j.sqlstate)
            ELSE 'not yet run'
        END),
        CASE j.verdict
            WHEN 'missing' THEN CASE WHEN j.feature = 'incremental_view'
                THEN format('SELECT * FROM lifecycle.rollback_migration(%s, dry_run => false)', j.migration_id)
                ELSE j.statements END
            WHEN 'changed' THEN format('SELECT * FROM lifecycle.rollback_migration(%s)', j.migration_id)
            WHEN 'pending' THEN format('CALL lifecycle.run_pending(%s)', j.migration_id)
            WHEN 'failed' THEN format('CALL lifecycle.run_pending(%s)', j.migration_id)
        END
    FROM judged AS j
    -- As they were made, so that the remedies run one after the other.
    ORDER BY j.migration_id, j.first_step
$fn$;
COMMENT ON FUNCTION lifecycle.verify_migrations() IS
'Compares every journaled object with the catalog.

Arguments: none.
Returns: one row an object (lifecycle.finding); finding is ok, renamed, changed (fingerprint drift, compared only on
the major version that rendered it), missing, pending or failed; remedy is the statement that mends it.
Errors: none.
Example: SELECT * FROM lifecycle.verify_migrations() WHERE severity <> ''ok'';';
