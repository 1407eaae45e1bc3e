-- Who reads whom: from the rule of each view through plain views and functions to the next materialized view. The body
-- of a function is known to pg_depend only where it was written with BEGIN ATOMIC.
CREATE FUNCTION lifecycle._view_dependencies() RETURNS TABLE (view oid, depends_on oid)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE reached (view, class_id, object_id) AS (
        SELECT c.oid, 'pg_class'::regclass::oid, c.oid FROM pg_class AS c WHERE c.relkind = 'm'
        UNION
        SELECT r.view, d.refclassid, d.refobjid
        FROM reached AS r
        CROSS JOIN LATERAL (
            -- what the rule of a view uses
            SELECT u.refclassid, u.refobjid
            FROM pg_rewrite AS w
            JOIN pg_depend AS u ON u.classid = 'pg_rewrite'::regclass AND u.objid = w.oid
            WHERE r.class_id = 'pg_class'::regclass AND w.ev_class = r.object_id AND u.refobjid <> w.ev_class
                -- beyond another materialized view lie its own dependencies
                AND (r.object_id = r.view OR (SELECT c.relkind FROM pg_class AS c WHERE c.oid = r.object_id) = 'v')
            UNION ALL
            -- what a function uses
            SELECT u.refclassid, u.refobjid
            FROM pg_depend AS u
            WHERE r.class_id = 'pg_proc'::regclass AND u.classid = r.class_id AND u.objid = r.object_id
        ) AS d
        WHERE d.refclassid IN ('pg_class'::regclass, 'pg_proc'::regclass)
    )
    SELECT r.view, r.object_id
    FROM reached AS r
    JOIN pg_class AS c ON c.oid = r.object_id AND c.relkind = 'm'
    WHERE r.class_id = 'pg_class'::regclass AND r.object_id <> r.view
$fn$;
COMMENT ON FUNCTION lifecycle._view_dependencies() IS
'Which materialized view reads which others, directly or through plain views and functions.';

-- Level by level, so that a view comes after all that it reads. What is left when a level is empty goes round in a
-- circle (a plain view or a function was replaced later on): those come last, with a note.
CREATE FUNCTION lifecycle._refresh_order(schemas name[]) RETURNS lifecycle.refresh_item[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_views jsonb;
    v_left oid[];
    v_next oid[];
    v_ordered lifecycle.refresh_item[] := ARRAY[]::lifecycle.refresh_item[];
    v_circle boolean := false;
BEGIN
    SELECT coalesce(jsonb_object_agg(c.oid, coalesce(d.depends_on, '{}')), '{}'), coalesce(array_agg(c.oid), '{}')
    INTO v_views, v_left
    FROM pg_class AS c
    LEFT JOIN (SELECT y.view, array_agg(y.depends_on) AS depends_on FROM lifecycle._view_dependencies() AS y
        GROUP BY y.view) AS d ON d.view = c.oid
    WHERE c.relkind = 'm';
    WHILE cardinality(v_left) > 0 LOOP
        v_next := ARRAY(SELECT l FROM unnest(v_left) AS l
            WHERE NOT EXISTS (SELECT FROM jsonb_array_elements_text(v_views -> l::text) AS e
                WHERE e::oid = ANY (v_left)));
        IF cardinality(v_next) = 0 THEN
            v_next := v_left;
            v_circle := true;
        END IF;
        v_ordered := v_ordered || ARRAY(
            SELECT ROW(n, ARRAY(SELECT e::oid FROM jsonb_array_elements_text(v_views -> n::text) AS e),
                CASE WHEN v_circle THEN 'reads itself through other views: no order is right' END
            )::lifecycle.refresh_item
            FROM unnest(v_next) AS n
            JOIN pg_class AS c ON c.oid = n
            ORDER BY c.relnamespace::regnamespace::text, c.relname
        );
        v_left := ARRAY(SELECT l FROM unnest(v_left) AS l WHERE l <> ALL (v_next));
    END LOOP;
    RETURN ARRAY(
        SELECT ROW(o.view, o.depends_on, o.note)::lifecycle.refresh_item
        FROM unnest(v_ordered) WITH ORDINALITY AS o (view, depends_on, note, place)
        JOIN pg_class AS c ON c.oid = o.view
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE (schemas IS NULL OR n.nspname = ANY (schemas)) AND lifecycle._may_refresh(o.view)
        ORDER BY o.place
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_order(name[]) IS
'The materialized views of these schemas (NULL: all) that the caller may refresh, each after those that it reads.';
