-- A session that holds a strong lock and waits for another one makes an application wait for both, and after
-- deadlock_timeout it is the application that gets 40P01. So: full patience with empty hands, next to none otherwise.
CREATE FUNCTION lifecycle._lock_wait() RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN EXISTS (
            SELECT FROM pg_locks AS l
            WHERE l.pid = pg_backend_pid() AND l.granted AND l.locktype = 'relation'
                AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
                AND l.relation >= 16384
                AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                    'AccessExclusiveLock')
        ) THEN '1ms'
        -- Zero would mean to wait for ever.
        ELSE greatest(1, least(
            lifecycle.setting('lock_timeout')::integer,
            (SELECT g.setting::integer / 2 FROM pg_settings AS g WHERE g.name = 'deadlock_timeout')
        )) || 'ms'
    END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_wait() IS
'How long the next statement may wait for a lock: lifecycle.lock_timeout (at most half of deadlock_timeout), or 1 ms
while this transaction holds a strong lock already.';
