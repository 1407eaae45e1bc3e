CREATE FUNCTION lifecycle.pending_steps(migration_id bigint DEFAULT NULL) RETURNS SETOF lifecycle.step_result
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT s.migration_id, s.step, s.stage, s.action, s.object, s.statement, s.status, m.plan_hash,
        concat_ws(
            '; ',
            CASE WHEN s.top_level THEN 'top level: run it with \gexec, then CALL lifecycle.run_pending()' END,
            s.message,
            s.note
        )
    FROM lifecycle.migration_step AS s
    JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id
    WHERE s.status IN ('pending', 'failed')
        AND (pending_steps.migration_id IS NULL OR s.migration_id = pending_steps.migration_id)
    ORDER BY s.migration_id, s.step
$fn$;
COMMENT ON FUNCTION lifecycle.pending_steps(bigint) IS
'The steps that are not yet run: later stages, and statements that PostgreSQL refuses inside a function. In psql,
SELECT statement FROM lifecycle.pending_steps() WHERE note LIKE ''top level%'' \gexec runs the latter.

Arguments: migration_id - only this one; default all.
Returns: one row a step (lifecycle.step_result), status pending or failed, note with what stands in the way.
Errors: none.
Example: SELECT step, statement, status, note FROM lifecycle.pending_steps();';
