-- What reads a table or a materialized view and has to be made anew with it: views upon views, each below those that
-- read it. A view may read columns, or the row type.
CREATE FUNCTION lifecycle._view_dependents(target regclass) RETURNS TABLE (relation oid, kind text, level integer)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE above (relation, level) AS (
        SELECT target::oid, 0
        UNION
        SELECT w.ev_class, a.level + 1
        FROM above AS a
        JOIN pg_class AS c ON c.oid = a.relation
        LEFT JOIN pg_type AS t ON t.oid = c.reltype
        JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND (
            d.refclassid = 'pg_class'::regclass AND d.refobjid = a.relation
            OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray))
        JOIN pg_rewrite AS w ON w.oid = d.objid AND w.ev_class <> a.relation
        -- Views cannot go round in a circle, except by a trick of somebody's.
        WHERE a.level < 100
    )
    SELECT a.relation, c.relkind::text, max(a.level)
    FROM above AS a JOIN pg_class AS c ON c.oid = a.relation
    WHERE a.relation <> target
    GROUP BY a.relation, c.relkind
$fn$;
COMMENT ON FUNCTION lifecycle._view_dependents(regclass) IS
'The views that read a relation, directly or not; level: how far above it.';
