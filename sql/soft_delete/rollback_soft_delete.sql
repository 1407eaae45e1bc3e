-- The last word of the module on its own rollback. Dropping the column would bring deleted rows back to life, so the
-- choice is the caller's; a column that was there before stays, and nothing is at stake.
CREATE FUNCTION lifecycle._rollback_plan_soft_delete(migration_id bigint, plan lifecycle.plan_step[], options jsonb)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_choice constant text := coalesce(options ->> 'deleted_rows', 'refuse');
    v_column name;
    v_target regclass;
    v_deleted bigint;
BEGIN
    IF v_choice NOT IN ('refuse', 'restore', 'purge', 'keep') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('deleted_rows cannot be %L', v_choice),
            HINT = 'Choose refuse, restore, purge or keep.';
    END IF;
    IF NOT EXISTS (SELECT FROM unnest(plan) AS p WHERE p.action = 'undo add column' AND p.statement IS NOT NULL) THEN
        RETURN plan;
    END IF;
    SELECT c.attrelid::regclass, c.attname INTO v_target, v_column
    FROM lifecycle.migration_step AS s
    JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id
    CROSS JOIN LATERAL lifecycle._locate(s.object, s.address, m.origin) AS a
    JOIN pg_attribute AS c ON c.attrelid = a.object_id AND c.attnum = a.sub_id AND c.atttypid <> 'bigint'::regtype
    WHERE s.migration_id = _rollback_plan_soft_delete.migration_id AND s.action = 'add column' AND s.status = 'done';
    IF NOT FOUND THEN
        RETURN plan;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s WHERE %I IS NOT NULL', v_target, v_column) INTO v_deleted;
    IF v_choice = 'keep' THEN
        RETURN ARRAY(
            SELECT CASE WHEN p.action IN ('undo add column', 'undo create index')
                THEN lifecycle._step(p.action, p.object, NULL, note => 'stays: deleted_rows is keep') ELSE p END
            FROM unnest(plan) AS p
        );
    ELSIF v_deleted = 0 OR v_choice = 'restore' THEN
        RETURN plan;
    ELSIF v_choice = 'purge' THEN
        -- After the triggers have gone, before the column goes.
        RETURN ARRAY(
            SELECT s FROM unnest(plan) WITH ORDINALITY AS p (number, stage, action, object, statement, inverse,
                top_level, note, place)
            CROSS JOIN LATERAL (
                SELECT 1 AS turn, lifecycle._step('delete rows', 'table ' || v_target,
                    format('DELETE FROM %s AS t WHERE t.%I IS NOT NULL', v_target, v_column),
                    note => format('%s deleted rows go for good', v_deleted)) AS s
                WHERE p.place = (SELECT min(q.place) FROM unnest(plan) WITH ORDINALITY
                    AS q (number, stage, action, object, statement, inverse, top_level, note, place)
                    WHERE q.action = 'undo add column')
                UNION ALL
                SELECT 2, ROW(p.number, p.stage, p.action, p.object, p.statement, p.inverse, p.top_level,
                    p.note)::lifecycle.plan_step
            ) AS x
            ORDER BY p.place, x.turn
        );
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('soft delete on %s cannot be rolled back while deleted rows exist', v_target),
        DETAIL = format('%s rows are marked as deleted; without column %I they would be live again.', v_deleted,
            v_column),
        HINT = 'Choose with deleted_rows (rollback_migration: options => {"deleted_rows": ...}): restore brings them '
            'back, purge deletes them for good, keep leaves the columns in place.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_plan_soft_delete(bigint, lifecycle.plan_step[], jsonb) IS
'Refuses a rollback that would bring deleted rows back to life, or does what options.deleted_rows says.';

CREATE FUNCTION lifecycle.rollback_soft_delete(
    target regclass,
    deleted_rows text DEFAULT 'refuse',
    cascade boolean DEFAULT false,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_migrations constant bigint[] := lifecycle._open_migrations('soft_delete', target);
BEGIN
    IF cardinality(v_migrations) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('no soft delete stands on %s', coalesce(target::text, 'NULL')),
            HINT = 'SELECT target FROM lifecycle.migration_history WHERE feature = ''soft_delete'' lists where it was.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(v_migrations, dry_run, expected_plan, cascade,
        jsonb_build_object('deleted_rows', deleted_rows), rollback_soft_delete.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_soft_delete(regclass, text, boolean, boolean, text, text) IS
'Takes soft delete off a table: view, functions, triggers and the columns it added go; what was there before comes
back as it was, with the values it has now. The records in lifecycle.deletion stay.

Arguments: target - the table; deleted_rows - what becomes of rows that are marked as deleted, when their column goes:
refuse (the default), restore (they are live again), purge (they are deleted for good), keep (the columns stay);
cascade - take back later changes that rest on it as well; dry_run - only show the plan (the default); expected_plan -
plan_hash of the reviewed dry run; search_path - instead of the journaled one.
Returns: one row a step (lifecycle.step_result).
Errors: 55000 deleted rows exist, or soft delete is not enabled; 22023 no such choice; the others as
lifecycle.rollback_migration.
Example: SELECT * FROM lifecycle.rollback_soft_delete(''public.packages'', deleted_rows => ''restore'');';
