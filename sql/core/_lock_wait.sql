-- A session that holds a strong lock and waits for another one makes an application wait for both, and after
-- deadlock_timeout it is the application that gets 40P01. So: full patience with empty hands, next to none otherwise.
-- Nobody waits for what this transaction has made itself: the first row of pg_attribute tells its age, which no ALTER
-- touches. (The heap that a REFRESH fills is gone by now, but younger than what it was filled for.)
CREATE FUNCTION lifecycle._lock_wait() RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_locked constant oid[] := ARRAY(
        SELECT DISTINCT l.relation FROM pg_locks AS l
        WHERE l.pid = pg_backend_pid() AND l.granted AND l.locktype = 'relation' AND l.relation >= 16384
            AND l.mode IN ('ShareUpdateExclusiveLock', 'ShareLock', 'ShareRowExclusiveLock', 'ExclusiveLock',
                'AccessExclusiveLock')
    );
    v_made oid[];
BEGIN
    IF cardinality(v_locked) > 0 THEN
        -- Mostly the first of them tells.
        IF EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = v_locked[1] HAVING min(age(a.xmin)) > 0) THEN
            RETURN '1ms';
        END IF;
        v_made := ARRAY(
            SELECT a.attrelid FROM pg_attribute AS a
            WHERE a.attrelid = ANY (v_locked) AND age(a.xmin) <= 0
                AND a.attnum = (SELECT min(f.attnum) FROM pg_attribute AS f WHERE f.attrelid = a.attrelid)
            ORDER BY a.attrelid
        );
        IF EXISTS (
            SELECT FROM unnest(v_locked) AS l (relation)
            WHERE l.relation <> ALL (v_made) AND (v_made = '{}' OR l.relation < v_made[1]
                OR EXISTS (SELECT FROM pg_class AS c WHERE c.oid = l.relation))
        ) THEN
            RETURN '1ms';
        END IF;
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
while this transaction holds a strong lock already on something that it has not made itself.';
