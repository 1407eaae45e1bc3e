-- What every change function returns; before a run from the plan alone, afterwards with the journal's word on each
-- step.
CREATE FUNCTION lifecycle._result_rows(plan lifecycle.plan_step[], plan_hash text, migration_id bigint DEFAULT NULL)
RETURNS SETOF lifecycle.step_result LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT
        _result_rows.migration_id,
        p.step,
        p.stage,
        p.action,
        p.object,
        p.statement,
        CASE WHEN p.statement IS NULL THEN 'skipped' ELSE coalesce(j.status, 'planned') END,
        _result_rows.plan_hash,
        p.note
    FROM unnest(plan) AS p
    LEFT JOIN lifecycle.migration_step AS j ON j.migration_id = _result_rows.migration_id AND j.step = p.step
    ORDER BY p.step
$fn$;
COMMENT ON FUNCTION lifecycle._result_rows(lifecycle.plan_step[], text, bigint) IS
'The rows of a change function for a plan.';
