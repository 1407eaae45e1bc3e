-- A session that holds a strong lock and waits for another one makes an application wait for both, and after
-- deadlock_timeout it is the application that gets 40P01. So: full patience with empty hands, next to none otherwise.
CREATE FUNCTION lifecycle._lock_wait() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM FROM pg_locks AS l
    WHERE l.pid = pg_backend_pid() AND l.granted AND l.locktype = 'relation' AND l.relation >= 16384
        AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
            'AccessExclusiveLock');
    IF FOUND THEN
        RETURN '1ms';
    END IF;
    -- Zero would mean to wait for ever.
    RETURN greatest(1, least(
        lifecycle.setting('lock_timeout')::integer,
        extract(epoch FROM current_setting('deadlock_timeout')::interval) * 1000 / 2
    ))::integer || 'ms';
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_wait() IS
'How long the next statement may wait for a lock: lifecycle.lock_timeout (at most half of deadlock_timeout), or 1 ms
while this transaction holds a strong lock already.';
