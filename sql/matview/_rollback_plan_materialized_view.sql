-- A replacement is taken back by replacing once more, by the query that stood before: what has come to stand on the
-- view since comes along.
CREATE FUNCTION lifecycle._rollback_plan_materialized_view(
    migration_id bigint, plan lifecycle.plan_step[], options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parameters constant jsonb := (SELECT m.parameters FROM lifecycle.migration AS m
        WHERE m.migration_id = _rollback_plan_materialized_view.migration_id);
    v_target oid;
BEGIN
    SELECT (lifecycle._locate(s.object, s.address, m.origin)).object_id INTO v_target
    FROM lifecycle.migration AS m
    JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id
    WHERE m.migration_id = _rollback_plan_materialized_view.migration_id AND s.action = 'swap' AND s.status = 'done'
        -- To plan is to look at the stored query, and a stored query is nobody's but the writer's: others see the
        -- journaled inverse, and may not run it.
        AND lifecycle._may_run(s.applied_by, s.session_by, s.writer);
    IF v_target IS NULL OR v_parameters -> 'old_query' IS NULL THEN
        RETURN plan;
    END IF;
    RETURN (lifecycle._plan_replacement(v_target, v_parameters ->> 'old_query', 'pg_catalog, pg_temp',
        lifecycle._rename_in(v_parameters ->> 'old_columns', lifecycle._relation_renames(migration_id)),
        forced => true)).plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_plan_materialized_view(bigint, lifecycle.plan_step[], jsonb) IS
'The rollback of replace_materialized_view: a replacement by the query that stood before.';
