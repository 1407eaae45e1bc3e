CREATE FUNCTION lifecycle._require_new_name(migration_name text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF coalesce(migration_name, '') !~ '\S' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a migration needs a name';
    END IF;
    IF EXISTS (SELECT FROM lifecycle.migration AS m WHERE m.name = migration_name AND m.state <> 'rolled_back') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('migration %L has been applied already', migration_name),
            HINT = format('Choose another name, or first SELECT lifecycle.rollback_migration(%L, dry_run => false)',
                migration_name);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_new_name(text) IS
'Raises 22023 for an empty name, 42710 for one that a standing migration has.';
