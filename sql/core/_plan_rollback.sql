-- The inverse of one journaled step under today's names, or a skipped step when there is nothing left to undo.
CREATE FUNCTION lifecycle._inverse_step(
    step lifecycle.migration_step, origin text, relation_renames jsonb, migration_ids bigint[]
) RETURNS lifecycle.plan_step LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_now lifecycle.object_address := lifecycle._locate(step.object, step.address, origin);
    v_named lifecycle.object_address;
    v_renames jsonb := relation_renames;
    v_object text := step.object;
    v_note text;
BEGIN
    IF step.address IS NOT NULL AND v_now IS NULL THEN
        v_named := lifecycle._address(step.object);
        -- What a later change in the same rollback replaced is made anew by its inverse, before this one's turn.
        IF EXISTS (
            SELECT FROM lifecycle.migration_step AS o
            WHERE o.migration_id = ANY (migration_ids) AND o.status = 'done' AND o.object = step.object
                AND (o.migration_id, o.step) > (step.migration_id, step.step)
                -- Replaced by it, or dropped by it.
                AND (o.address = v_named
                    OR v_named IS NULL AND o.address IS NULL AND o.inverse IS NOT NULL AND o.action LIKE 'drop %')
        ) THEN
            RETURN lifecycle._step('undo ' || step.action, step.object, step.inverse, step.statement,
                note => step.note);
        ELSIF v_named IS NOT NULL THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s is not the object that migration %s made', step.object, step.migration_id),
                DETAIL = 'Somebody has dropped it and made another one of the same name.',
                HINT = 'Rename or drop that one, then roll back again.';
        END IF;
        RETURN lifecycle._step('undo ' || step.action, step.object, NULL, note => 'is gone already');
    END IF;
    IF v_now IS NOT NULL AND origin = lifecycle._origin() THEN
        v_renames := v_renames || lifecycle._own_rename(step.object, v_now, relation_renames);
        v_object := lifecycle._rename_in(step.object, v_renames);
        v_note := CASE WHEN v_object <> step.object THEN format('was %s when it was journaled', step.object) END;
    END IF;
    RETURN lifecycle._step('undo ' || step.action, v_object, lifecycle._rename_in(step.inverse, v_renames),
        step.statement, note => concat_ws('; ', step.note, v_note));
END
$fn$;
COMMENT ON FUNCTION lifecycle._inverse_step(lifecycle.migration_step, text, jsonb, bigint[]) IS
'The plan step that undoes a journaled step; raises 55000 when the name stands for another object by now.';

-- A module may have the last word on its own rollback: to refuse where rows would be lost, or to add what saves them.
CREATE FUNCTION lifecycle._plan_rollback(migration_id bigint, migration_ids bigint[], options jsonb)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_migration lifecycle.migration;
    v_renames constant jsonb := lifecycle._relation_renames(migration_id);
    v_step lifecycle.migration_step;
    v_plan lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
    v_hook regprocedure;
BEGIN
    SELECT m.* INTO v_migration FROM lifecycle.migration AS m WHERE m.migration_id = _plan_rollback.migration_id;
    FOR v_step IN
        SELECT s.* FROM lifecycle.migration_step AS s
        WHERE s.migration_id = _plan_rollback.migration_id AND s.inverse IS NOT NULL
            -- What broke off may have left something: an index that is not valid.
            AND (s.status = 'done' OR s.top_level AND lifecycle._address(s.object) IS NOT NULL
                AND (s.action <> 'detach partition' OR lifecycle._top_level_stands(s.action, s.object)))
        ORDER BY s.step DESC
    LOOP
        v_plan := v_plan || lifecycle._inverse_step(v_step, v_migration.origin, v_renames, migration_ids);
    END LOOP;
    v_hook := to_regprocedure(format('lifecycle.%I(bigint, lifecycle.plan_step[], jsonb)',
        '_rollback_plan_' || v_migration.feature));
    IF v_hook IS NOT NULL THEN
        EXECUTE format('SELECT lifecycle.%I($1, $2, $3)', '_rollback_plan_' || v_migration.feature)
            INTO v_plan USING v_migration.migration_id, v_plan, options;
    END IF;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_rollback(bigint, bigint[], jsonb) IS
'The plan that takes back one of the migrations that are rolled back together.';
