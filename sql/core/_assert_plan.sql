-- The reviewed plan is known by its hash alone; its last part holds four digits a step, which is enough to name what
-- differs.
CREATE FUNCTION lifecycle._assert_plan(plan lifecycle.plan_step[], expected_plan text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_hash text;
    v_reviewed text[];
    v_now text[];
    v_difference text;
BEGIN
    IF expected_plan IS NULL THEN
        RETURN;
    END IF;
    v_hash := lifecycle._plan_hash(plan);
    IF expected_plan = v_hash THEN
        RETURN;
    END IF;
    v_reviewed := ARRAY(SELECT m[1] FROM regexp_matches(substring(expected_plan FROM '-(.*)$'), '.{4}', 'g') AS m);
    v_now := ARRAY(SELECT m[1] FROM regexp_matches(substring(v_hash FROM '-(.*)$'), '.{4}', 'g') AS m);
    SELECT string_agg(line, E'\n' ORDER BY number) INTO v_difference
    FROM (
        SELECT n.number, format('step %s is new or changed: %s', n.number, coalesce(plan[n.number].statement,
            'stands already: ' || plan[n.number].object)) AS line
        FROM unnest(v_now) WITH ORDINALITY AS n (digest, number)
        WHERE n.digest <> ALL (v_reviewed)
        UNION ALL
        SELECT r.number, format('step %s of the reviewed plan is gone or changed', r.number)
        FROM unnest(v_reviewed) WITH ORDINALITY AS r (digest, number)
        WHERE r.digest <> ALL (v_now)
    ) AS lines;
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = 'the plan is not the one that was reviewed, nothing was done',
        DETAIL = coalesce(v_difference, format('The plan has %s steps and hash %s.', cardinality(plan), v_hash)),
        HINT = 'Review the plan again with dry_run => true and pass its plan_hash as expected_plan.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._assert_plan(lifecycle.plan_step[], text) IS
'Raises 55000 with the difference when the plan made now does not have the hash that was reviewed.';
