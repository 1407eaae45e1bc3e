-- What stands now is remembered with its oid and a fingerprint: rollback and verify_migrations compare with it.
CREATE FUNCTION lifecycle._settle(migration_id bigint, step integer, made boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_address constant lifecycle.object_address := lifecycle._address((
        SELECT s.object FROM lifecycle.migration_step AS s
        WHERE s.migration_id = _settle.migration_id AND s.step = _settle.step));
BEGIN
    UPDATE lifecycle.migration_step AS s SET
        status = 'done',
        sqlstate = NULL,
        message = NULL,
        run_at = clock_timestamp(),
        address = v_address,
        made = _settle.made AND v_address IS NOT NULL,
        fingerprint = md5(lifecycle._definition(v_address)),
        server_major = current_setting('server_version_num')::integer / 10000
    WHERE s.migration_id = _settle.migration_id AND s.step = _settle.step;
END
$fn$;
COMMENT ON FUNCTION lifecycle._settle(bigint, integer, boolean) IS
'Marks a step done and remembers the object it touched.';
