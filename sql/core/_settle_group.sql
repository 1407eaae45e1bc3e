-- A group stands as a whole when none of its parts has anything pending.
CREATE FUNCTION lifecycle._settle_group(migration_id bigint) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    UPDATE lifecycle.migration AS g
    SET state = CASE WHEN EXISTS (
        SELECT FROM lifecycle.migration AS m WHERE m.part_of = g.migration_id AND m.state = 'pending'
    ) THEN 'pending' ELSE 'applied' END
    WHERE g.migration_id = _settle_group.migration_id AND g.state <> 'rolled_back'
$fn$;
COMMENT ON FUNCTION lifecycle._settle_group(bigint) IS 'Sets the state of a group from the states of its parts.';
