-- Records of deletions are many, and a swap has no time for them: they keep the oid of the table that they were made
-- on, and one row says which table has taken its place. The way back says the opposite; rows point to the end of a
-- chain.
CREATE FUNCTION lifecycle._present_oid(former oid) RETURNS oid
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce((SELECT s.present_oid FROM lifecycle.successor AS s
        WHERE s.former_oid = former AND s.origin = lifecycle._origin()), former)
$fn$;
COMMENT ON FUNCTION lifecycle._present_oid(oid) IS
'The table that has taken the place of one, or that one itself.';

CREATE FUNCTION lifecycle._former_oids(present oid) RETURNS oid[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT present WHERE lifecycle._present_oid(present) = present
        UNION ALL
        SELECT s.former_oid FROM lifecycle.successor AS s
        WHERE s.present_oid = present AND s.origin = lifecycle._origin()
    )
$fn$;
COMMENT ON FUNCTION lifecycle._former_oids(oid) IS
'The oids under which a table may have been recorded: its own, and those of tables whose place it has taken.';

CREATE FUNCTION lifecycle._succeed(former oid, present oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    -- What once made way for it, and comes back, is itself again.
    DELETE FROM lifecycle.successor AS s WHERE s.former_oid = present AND s.origin = lifecycle._origin();
    UPDATE lifecycle.successor AS s SET present_oid = present
    WHERE s.present_oid = former AND s.origin = lifecycle._origin();
    INSERT INTO lifecycle.successor (former_oid, present_oid) VALUES (former, present)
    ON CONFLICT ON CONSTRAINT successor_pkey DO UPDATE SET present_oid = excluded.present_oid;
END
$fn$;
COMMENT ON FUNCTION lifecycle._succeed(oid, oid) IS
'Writes down that a table has taken the place of another one.';
