CREATE FUNCTION lifecycle.begin_migration(migration_name text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id bigint;
BEGIN
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._require_admin();
    PERFORM lifecycle._require_new_name(migration_name);
    IF lifecycle._context() IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_transaction_state',
            MESSAGE = format('cannot begin migration %L inside migration %s', migration_name, lifecycle._context()),
            HINT = 'Call lifecycle.end_migration() first; groups do not nest.';
    END IF;
    v_id := lifecycle._journal('group', NULL, '{}', lifecycle._plan_hash('{}'), '{}', 'pg_catalog, pg_temp',
        migration_name);
    PERFORM set_config('lifecycle.migration', v_id::text, true);
    RETURN v_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle.begin_migration(text) IS
'Opens a named migration in this transaction: every change up to lifecycle.end_migration() becomes a part of it and is
rolled back with it.

Arguments: migration_name - a name that no standing migration has.
Returns: the migration_id of the group.
Errors: 42710 the name is taken; 25000 inside another group, or under an isolation level other than READ COMMITTED;
42501 the caller may not make changes.
Example: BEGIN;
SELECT lifecycle.begin_migration(''001_schema_optimization'');
SELECT * FROM lifecycle.apply_migration(''a'', ARRAY[''CREATE TABLE public.a (id int)''],
    ARRAY[''DROP TABLE public.a'']);
SELECT lifecycle.end_migration();
COMMIT;';
