-- Who stands in the way, in words for the DETAIL of a 55P03.
CREATE FUNCTION lifecycle._lock_holders(relations oid[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(format('process %s holds %s on %s', l.pid, l.mode, l.relation::regclass), '; ' ORDER BY l.pid,
        l.mode)
    FROM pg_locks AS l
    WHERE l.locktype = 'relation' AND l.granted AND l.pid <> pg_backend_pid() AND l.relation = ANY (relations)
        AND l.database = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
$fn$;
COMMENT ON FUNCTION lifecycle._lock_holders(oid[]) IS 'Which other processes hold which locks on these relations.';
