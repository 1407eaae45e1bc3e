-- The type below a domain. A queue holds NULL where an entry means all rows, and values that were valid when they were
-- written: no domain may object to either.
CREATE FUNCTION lifecycle._base_type(type_oid oid, type_modifier integer) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        WITH RECURSIVE layer AS (
            SELECT t.typtype, t.typbasetype, t.typtypmod, t.oid, type_modifier AS modifier
            FROM pg_type AS t WHERE t.oid = type_oid
            UNION ALL
            SELECT t.typtype, t.typbasetype, t.typtypmod, t.oid, l.typtypmod
            FROM layer AS l JOIN pg_type AS t ON t.oid = l.typbasetype
            WHERE l.typtype = 'd'
        )
        SELECT format_type(l.oid, l.modifier) FROM layer AS l WHERE l.typtype <> 'd'
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._base_type(oid, integer) IS
'How to write a type, or the one below it when it is a domain.';
