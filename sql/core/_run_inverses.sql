-- An inverse that makes an object anew gives it another oid: the steps that stand and name it, or mean what had the
-- old oid, are pointed to that one.
CREATE FUNCTION lifecycle._follow_remade(object text, old_oid oid DEFAULT NULL) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_address constant lifecycle.object_address := lifecycle._address(object);
BEGIN
    IF v_address IS NULL THEN
        RETURN;
    END IF;
    UPDATE lifecycle.migration_step AS s
    SET address = v_address
    FROM lifecycle.migration AS m
    WHERE (s.object = _follow_remade.object OR (s.address).sub_id = 0 AND (s.address).class_id = v_address.class_id
            AND (s.address).object_id = old_oid)
        AND s.status = 'done' AND s.address <> v_address
        AND m.migration_id = s.migration_id AND m.origin = lifecycle._origin()
        AND s.applied_by = current_user
        AND lifecycle._identity(s.address) IS NULL;
END
$fn$;
COMMENT ON FUNCTION lifecycle._follow_remade(text, oid) IS
'Points the journaled steps of an object that has been made anew to it, as far as the caller wrote them.';

CREATE FUNCTION lifecycle._run_inverses(
    migration_ids bigint[], plan lifecycle.plan_step[], ids_of_steps bigint[], search_path text
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_paths constant jsonb := (SELECT jsonb_object_agg(m.migration_id, m.search_path)
        FROM lifecycle.migration AS m WHERE m.migration_id = ANY (migration_ids));
    v_step lifecycle.plan_step;
    v_wait text;
BEGIN
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._require_admin();
    FOREACH v_step IN ARRAY plan LOOP
        IF v_step.statement IS NOT NULL THEN
            v_wait := lifecycle._run_step(v_step,
                coalesce(_run_inverses.search_path, v_paths ->> ids_of_steps[v_step.step]::text), v_wait);
            PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
            PERFORM lifecycle._follow_remade(v_step.object);
        END IF;
    END LOOP;
    UPDATE lifecycle.migration_step AS s
    SET status = 'rolled_back', sqlstate = NULL, message = NULL, run_at = clock_timestamp()
    WHERE s.migration_id = ANY (migration_ids);
    UPDATE lifecycle.migration AS m
    SET state = 'rolled_back', rolled_back_at = clock_timestamp(), rolled_back_by = current_user
    WHERE m.migration_id = ANY (migration_ids);
    PERFORM lifecycle._announce();
END
$fn$;
COMMENT ON FUNCTION lifecycle._run_inverses(bigint[], lifecycle.plan_step[], bigint[], text) IS
'Runs the plan of a rollback, each step under the path of its migration, and marks the migrations rolled back.';
