CREATE FUNCTION lifecycle.rollback_to(
    migration_name text,
    options jsonb DEFAULT '{}',
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id bigint;
BEGIN
    SELECT m.migration_id INTO v_id FROM lifecycle.migration AS m
    WHERE m.name = migration_name AND m.state <> 'rolled_back';
    IF v_id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('no migration named %L stands', migration_name),
            HINT = 'SELECT migration_id, name, state FROM lifecycle.migration_history lists them.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(
        ARRAY(
            SELECT m.migration_id FROM lifecycle.migration AS m
            WHERE m.migration_id > v_id AND m.part_of IS DISTINCT FROM v_id AND m.state <> 'rolled_back'
        ),
        dry_run, expected_plan, false, options, rollback_to.search_path
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_to(text, jsonb, boolean, text, text) IS
'Takes back all changes that came after a named one, newest first; the named one stays.

Arguments: migration_name - the change to go back to; options, dry_run (default true), expected_plan, search_path - as
in lifecycle.rollback_migration.
Returns: one row a step (lifecycle.step_result).
Errors: 42704 no such migration stands; the others as in lifecycle.rollback_migration.
Example: SELECT * FROM lifecycle.rollback_to(''001_schema_optimization'');';
