-- What a view uses: from its rule through plain views and functions to the next table or materialized view. The body of
-- a function is known to pg_depend only where it was written with BEGIN ATOMIC. starts: where to begin, which for an
-- incremental view is the view with its query.
CREATE FUNCTION lifecycle._view_uses(views oid[], starts oid[])
RETURNS TABLE (view oid, class_id oid, object_id oid)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN QUERY
    WITH RECURSIVE reached (view, start, class_id, object_id) AS (
        SELECT v.view, v.start, 'pg_class'::regclass::oid, v.start FROM unnest(views, starts) AS v (view, start)
        UNION
        SELECT r.view, r.start, d.refclassid, d.refobjid
        FROM reached AS r
        CROSS JOIN LATERAL (
            -- what the rule of a view uses
            SELECT u.refclassid, u.refobjid
            FROM pg_rewrite AS w
            JOIN pg_depend AS u ON u.classid = 'pg_rewrite'::regclass AND u.objid = w.oid
            WHERE r.class_id = 'pg_class'::regclass AND w.ev_class = r.object_id AND u.refobjid <> w.ev_class
                -- beyond another materialized view lie its own dependencies
                AND (r.object_id = r.start OR (SELECT c.relkind FROM pg_class AS c WHERE c.oid = r.object_id) = 'v')
            UNION ALL
            -- what a function uses
            SELECT u.refclassid, u.refobjid
            FROM pg_depend AS u
            WHERE r.class_id = 'pg_proc'::regclass AND u.classid = r.class_id AND u.objid = r.object_id
        ) AS d
        WHERE d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)
    )
    SELECT r.view, r.class_id, r.object_id FROM reached AS r WHERE r.object_id NOT IN (r.view, r.start);
END
$fn$;
COMMENT ON FUNCTION lifecycle._view_uses(oid[], oid[]) IS
'The relations and functions that these views use, directly or through plain views and functions.';
