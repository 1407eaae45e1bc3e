-- What stands now is remembered with its oid and a fingerprint: rollback and verify_migrations compare with it.
CREATE FUNCTION lifecycle._settle(migration_id bigint, step integer, made boolean) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    UPDATE lifecycle.migration_step AS s SET
        status = 'done',
        sqlstate = NULL,
        message = NULL,
        run_at = clock_timestamp(),
        address = a.address,
        made = _settle.made AND a.address IS NOT NULL,
        fingerprint = md5(lifecycle._definition(a.address)),
        server_major = current_setting('server_version_num')::integer / 10000
    FROM (
        SELECT lifecycle._address(o.object) AS address FROM lifecycle.migration_step AS o
        WHERE o.migration_id = _settle.migration_id AND o.step = _settle.step
    ) AS a
    WHERE s.migration_id = _settle.migration_id AND s.step = _settle.step
$fn$;
COMMENT ON FUNCTION lifecycle._settle(bigint, integer, boolean) IS
'Marks a step done and remembers the object it touched.';
