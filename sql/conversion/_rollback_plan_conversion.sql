-- The journal's own inverses know nothing of what was written since the swap.
CREATE FUNCTION lifecycle._rollback_plan_conversion(
    migration_id bigint, plan lifecycle.plan_step[], options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source text;
    v_phase text;
BEGIN
    SELECT c.source, c.phase INTO v_source, v_phase
    FROM lifecycle.migration_step AS s
    JOIN lifecycle.migration AS m ON m.migration_id = s.migration_id
    JOIN lifecycle.conversion AS c ON 'conversion of ' || c.source = s.object AND c.started_by = s.applied_by
        AND c.started_at BETWEEN m.applied_at AND coalesce(s.run_at, 'infinity')
    WHERE s.migration_id = _rollback_plan_conversion.migration_id AND s.action = 'register conversion'
    ORDER BY c.conversion_id DESC LIMIT 1;
    IF v_phase = 'swapped' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the conversion of %s is swapped: what was written since would be lost', v_source),
            HINT = format('SELECT * FROM lifecycle.rollback_conversion(%L) loses nothing; '
                'lifecycle.finish_conversion makes it final.', v_source);
    ELSIF v_phase = 'finished' THEN
        RETURN ARRAY[lifecycle._step('undo conversion', 'conversion of ' || v_source, NULL,
            note => 'is finished: the table stays partitioned')];
    END IF;
    RETURN plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_plan_conversion(bigint, lifecycle.plan_step[], jsonb) IS
'The rollback of start_conversion: refused after the swap, nothing left to do after the end.';
