CREATE FUNCTION lifecycle._attach_existing(
    target regclass,
    levels jsonb[],
    options jsonb,
    old_name name,
    at_once boolean,
    dry_run boolean,
    expected_plan text,
    search_path text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF options ? 'predicate' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'attach_existing takes all rows: it cannot have a predicate';
    END IF;
    PERFORM lifecycle._require_attachable(target, levels, options ->> 'key_mode', options ->> 'foreign_key_mode');
    PERFORM lifecycle._require_convertible(target, levels, options ->> 'key_mode', options ->> 'foreign_key_mode');
    PERFORM lifecycle._lock(ARRAY[target], 'ACCESS EXCLUSIVE', dry_run, ARRAY(
        SELECT CASE k.conrelid WHEN target THEN k.confrelid ELSE k.conrelid END::regclass FROM pg_constraint AS k
        WHERE k.contype = 'f' AND at_once AND target IN (k.conrelid, k.confrelid)));
    RETURN QUERY SELECT * FROM lifecycle._apply('conversion', target,
        lifecycle._plan_attach_existing(target, levels, old_name, options ->> 'time_zone', at_once), dry_run,
        expected_plan, options || jsonb_build_object('way', 'attach', 'table', target::text),
        _attach_existing.search_path, at_once => at_once);
END
$fn$;
COMMENT ON FUNCTION lifecycle._attach_existing(
    regclass, jsonb[], jsonb, name, boolean, boolean, text, text
) IS 'The second way of start_conversion: the old table becomes the first partition.';

CREATE FUNCTION lifecycle._attach_migration(target regclass) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT max(m.migration_id) FROM lifecycle.migration AS m
    WHERE m.feature = 'conversion' AND m.state <> 'rolled_back' AND m.parameters ->> 'way' = 'attach'
        AND (m.parameters ->> 'table' = _attach_migration.target::text
            OR m.target_oid = _attach_migration.target::oid AND m.origin = lifecycle._origin())
$fn$;
COMMENT ON FUNCTION lifecycle._attach_migration(regclass) IS
'The migration that attached a table, found by either of its names; NULL when there is none.';
