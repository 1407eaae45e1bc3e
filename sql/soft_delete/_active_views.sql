CREATE FUNCTION lifecycle._active_views(target regclass) RETURNS SETOF regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT DISTINCT r.ev_class::regclass
    FROM pg_depend AS d
    JOIN pg_rewrite AS r ON r.oid = d.objid
    JOIN pg_trigger AS t ON t.tgrelid = r.ev_class AND t.tgname = 'soft_delete'
    WHERE d.classid = 'pg_rewrite'::regclass AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target
    ORDER BY 1
$fn$;
COMMENT ON FUNCTION lifecycle._active_views(regclass) IS
'The active views of a soft-deleted table, known by their trigger.';

-- In its definition a column that has another name in the table stands as: name AS name.
CREATE FUNCTION lifecycle._view_renames(view_oid regclass, target regclass, OUT view_column name, OUT table_column name)
RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT v.attname, a.attname
    FROM pg_attribute AS v
    JOIN pg_attribute AS a ON a.attrelid = target AND a.attnum > 0 AND NOT a.attisdropped
    WHERE v.attrelid = view_oid AND v.attnum > 0
        AND NOT EXISTS (SELECT FROM pg_attribute AS s WHERE s.attrelid = view_oid AND s.attname = a.attname)
        AND NOT EXISTS (SELECT FROM pg_attribute AS s WHERE s.attrelid = target AND s.attname = v.attname
            AND NOT s.attisdropped)
        AND pg_get_viewdef(view_oid) ~ format('(?:^ SELECT|\n   ) (?:[^ (),]+\.)?%s AS %s(?:,\n|\n   FROM )',
            lifecycle._regexp_quote(quote_ident(a.attname)), lifecycle._regexp_quote(quote_ident(v.attname)))
$fn$;
COMMENT ON FUNCTION lifecycle._view_renames(regclass, regclass) IS
'The columns of a view whose columns in the table have been renamed since.';
