CREATE FUNCTION lifecycle._open_migrations(feature text, target regclass) RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT m.migration_id FROM lifecycle.migration AS m
        WHERE m.feature = _open_migrations.feature AND m.state <> 'rolled_back'
            AND CASE
                WHEN m.origin = lifecycle._origin() THEN m.target_oid = _open_migrations.target::oid
                ELSE m.target = _open_migrations.target::text
            END
        ORDER BY m.migration_id DESC
    )
$fn$;
COMMENT ON FUNCTION lifecycle._open_migrations(text, regclass) IS
'The migrations of a feature that stand on a table, newest first; a renamed table is found by oid, a restored one by
name.';
