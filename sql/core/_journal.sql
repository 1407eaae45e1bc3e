-- Written before the first statement runs: what is pending or breaks off can then be resumed from here.
CREATE FUNCTION lifecycle._journal(
    feature text, target regclass, plan lifecycle.plan_step[], plan_hash text, parameters jsonb, search_path text,
    name text
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id bigint;
BEGIN
    INSERT INTO lifecycle.migration (name, feature, part_of, target, target_oid, parameters, search_path, plan_hash,
        state)
    VALUES (
        _journal.name, _journal.feature, lifecycle._context(), _journal.target::text, _journal.target::oid,
        _journal.parameters, _journal.search_path, _journal.plan_hash, 'pending'
    )
    RETURNING migration_id INTO v_id;
    INSERT INTO lifecycle.migration_step (migration_id, step, stage, action, object, statement, inverse, top_level,
        note)
    SELECT v_id, p.step, p.stage, p.action, p.object, p.statement, p.inverse, coalesce(p.top_level, false), p.note
    FROM unnest(plan) AS p
    WHERE p.statement IS NOT NULL;
    RETURN v_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle._journal(text, regclass, lifecycle.plan_step[], text, jsonb, text, text) IS
'Writes a migration and its steps, all of them pending, and returns its id.';
