-- Whether a materialized view can be given another query, as far as what reads it is concerned.
CREATE FUNCTION lifecycle._require_replaceable(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_relations constant oid[] := ARRAY(SELECT target::oid UNION SELECT d.relation
        FROM lifecycle._view_dependents(target) AS d);
    v_detail text;
BEGIN
    SELECT string_agg(f.object, '; ' ORDER BY f.object) INTO v_detail
    FROM (
        SELECT pg_describe_object('pg_class'::regclass, r.oid, 0) AS object FROM unnest(v_relations) AS r (oid)
        JOIN pg_class AS c ON c.oid = r.oid
        WHERE c.relkind NOT IN ('v', 'm') OR c.relnamespace = to_regnamespace('lifecycle_data')
            OR EXISTS (SELECT FROM pg_depend AS e WHERE e.classid = 'pg_class'::regclass AND e.objid = r.oid
                AND e.deptype = 'e')
            OR EXISTS (SELECT FROM pg_seclabel AS l WHERE l.classoid = 'pg_class'::regclass AND l.objoid = r.oid)
        UNION
        SELECT pg_describe_object(d.classid, d.objid, d.objsubid)
        FROM unnest(v_relations) AS r (oid)
        JOIN pg_class AS c ON c.oid = r.oid
        LEFT JOIN pg_type AS t ON t.oid = c.reltype
        JOIN pg_depend AS d ON d.deptype = 'n' AND d.classid <> 'pg_rewrite'::regclass AND (
            d.refclassid = 'pg_class'::regclass AND d.refobjid = r.oid
            OR d.refclassid = 'pg_type'::regclass AND d.refobjid IN (t.oid, t.typarray))
    ) AS f;
    IF v_detail IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = format('%s cannot be replaced: what reads it cannot be made anew', target),
            DETAIL = v_detail || '.',
            HINT = 'Views and materialized views come along. Drop the others, replace, and make them again; roll back '
                'incremental views.';
    END IF;
    PERFORM lifecycle._require_owner(r.oid::regclass) FROM unnest(v_relations) AS r (oid);
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_replaceable(regclass) IS
'Raises 2BP01 when something other than views reads a materialized view, 42501 for views that are not the caller''s.';

-- Asked before anything is built: what reads a column must find it again, and views find it with its type.
CREATE FUNCTION lifecycle._require_compatible(target regclass, shape lifecycle.query_shape) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_detail text;
BEGIN
    SELECT string_agg(DISTINCT format('%s reads column %I, %s', CASE WHEN d.classid = 'pg_rewrite'::regclass
            THEN pg_describe_object('pg_class'::regclass, w.ev_class, 0)
            ELSE pg_describe_object(d.classid, d.objid, 0) END, a.attname,
        coalesce(format('which is %s now and in the new query ', format_type(a.atttypid, a.atttypmod)) || n.type,
            'which the new query has not')), '; ')
    INTO v_detail
    FROM pg_depend AS d
    JOIN pg_attribute AS a ON a.attrelid = target AND a.attnum = d.refobjsubid
    LEFT JOIN pg_rewrite AS w ON d.classid = 'pg_rewrite'::regclass AND w.oid = d.objid
    LEFT JOIN unnest(shape.columns, shape.column_types) AS n (name, type) ON n.name = a.attname
    WHERE d.refclassid = 'pg_class'::regclass AND d.refobjid = target AND a.attnum > 0
        AND w.ev_class IS DISTINCT FROM target::oid
        AND (n.name IS NULL OR w.oid IS NOT NULL AND n.type <> format_type(a.atttypid, a.atttypmod));
    IF v_detail IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = format('the new query does not fit what stands on %s', target),
            DETAIL = v_detail || '.',
            HINT = 'Keep the column in the query, with a cast where its type differs, or first change or drop what '
                'reads it.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_compatible(regclass, lifecycle.query_shape) IS
'Raises 2BP01 when views, indexes or statistics use a column that the new query has not, or has with another type.';
