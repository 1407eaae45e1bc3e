CREATE FUNCTION lifecycle.rollback_migration(
    migration_id bigint,
    cascade boolean DEFAULT false,
    options jsonb DEFAULT '{}',
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_migration(migration_id);
    IF 'rolled_back' = (SELECT m.state FROM lifecycle.migration AS m
        WHERE m.migration_id = rollback_migration.migration_id)
    THEN
        RAISE NOTICE 'migration % is rolled back already', migration_id;
        RETURN;
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(ARRAY[migration_id], dry_run, expected_plan, cascade, options,
        rollback_migration.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_migration(bigint, boolean, jsonb, boolean, text, text) IS
'Takes a change back: runs the inverses of its steps in reverse order, under the search_path it was made with.

Arguments: migration_id - see lifecycle.migration_history; cascade - take back later changes that rest on it as well;
options - what a module asks for where rows are at stake, for example {"deleted_rows": "restore"}; dry_run - only show
the plan (the default); expected_plan - plan_hash of the reviewed dry run; search_path - instead of the journaled one.
Returns: one row a step (lifecycle.step_result).
Errors: 42704 no such migration; 2BP01 later migrations rest on it; 42501 it was applied by another role; 55000 rows
would be lost or come back to life, or an object is not the one that was made, or the plan differs from expected_plan;
55P03 lock.
Example: SELECT statement FROM lifecycle.rollback_migration(1);';

CREATE FUNCTION lifecycle.rollback_migration(
    migration_name text,
    cascade boolean DEFAULT false,
    options jsonb DEFAULT '{}',
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id bigint;
BEGIN
    SELECT m.migration_id INTO v_id FROM lifecycle.migration AS m
    WHERE m.name = migration_name
    ORDER BY (m.state <> 'rolled_back') DESC, m.migration_id DESC
    LIMIT 1;
    IF v_id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no migration named %L', migration_name),
            HINT = 'SELECT migration_id, name FROM lifecycle.migration_history lists them.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle.rollback_migration(v_id, cascade, options, dry_run, expected_plan,
        rollback_migration.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_migration(text, boolean, jsonb, boolean, text, text) IS
'Takes back the change of that name, see lifecycle.rollback_migration(bigint).

Arguments: migration_name - the name given to apply_migration or begin_migration; the others as with a migration_id.
Returns: one row a step (lifecycle.step_result).
Errors: 42704 no such migration; the others as with a migration_id.
Example: SELECT * FROM lifecycle.rollback_migration(''001_schema_optimization'', dry_run => false);';
