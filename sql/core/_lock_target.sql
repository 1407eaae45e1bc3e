-- One change at a time per table. The key is readable in pg_locks: class id 27750, object id = the table's oid.
CREATE FUNCTION lifecycle._lock_target(target regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_class constant bigint := 27750;
    v_holder integer;
BEGIN
    IF pg_try_advisory_xact_lock((v_class << 32) | target::oid::bigint) THEN
        RETURN;
    END IF;
    SELECT l.pid INTO v_holder FROM pg_locks AS l
    WHERE l.locktype = 'advisory' AND l.granted AND l.classid = v_class::oid AND l.objid = target
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
    LIMIT 1;
    RAISE EXCEPTION USING
        ERRCODE = 'lock_not_available',
        MESSAGE = format('another change of %s is under way', target),
        DETAIL = format('Process %s holds its advisory lock.', coalesce(v_holder::text, 'that has just ended')),
        HINT = 'Try again when it has finished.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_target(regclass) IS
'Takes the advisory lock of a target to the end of the transaction, or raises 55P03 with the process that holds it.';
