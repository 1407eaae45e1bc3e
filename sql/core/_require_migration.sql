CREATE FUNCTION lifecycle._require_migration(migration_id bigint) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF NOT EXISTS (SELECT FROM lifecycle.migration AS m WHERE m.migration_id = _require_migration.migration_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no migration %s', coalesce(migration_id::text, 'NULL')),
            HINT = 'SELECT migration_id, name FROM lifecycle.migration_history lists them.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_migration(bigint) IS 'Raises 42704 for a number that no migration has.';
