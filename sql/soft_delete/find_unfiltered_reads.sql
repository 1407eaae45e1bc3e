CREATE FUNCTION lifecycle._unfiltered_statements(table_name text, deleted_at text) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_statements constant regclass := (SELECT d.objid::regclass FROM pg_extension AS e
        JOIN pg_depend AS d ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid AND d.deptype = 'e'
            AND d.classid = 'pg_class'::regclass
        JOIN pg_class AS c ON c.oid = d.objid AND c.relname = 'pg_stat_statements'
        WHERE e.extname = 'pg_stat_statements');
BEGIN
    IF v_statements IS NULL OR NOT has_table_privilege(v_statements, 'SELECT')
        OR current_setting('shared_preload_libraries') !~ 'pg_stat_statements'
    THEN
        RETURN;
    END IF;
    RETURN QUERY EXECUTE format($query$
        SELECT 'info', 'statement ' || s.queryid, 'reads the table without the filter', left(s.query, 500), NULL::text
        FROM %s AS s
        WHERE s.dbid = (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())
            AND s.query ~* %L AND s.query !~* %L AND s.query ~* '^\s*(with|select)'
    $query$, v_statements, format('\m%s\M', table_name), format('\m%s\M', deleted_at));
END
$fn$;
COMMENT ON FUNCTION lifecycle._unfiltered_statements(text, text) IS
'The findings of find_unfiltered_reads among the statements that pg_stat_statements has seen.';

CREATE FUNCTION lifecycle.find_unfiltered_reads(target regclass) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_column name;
    v_number int2;
    v_name text;
BEGIN
    v_column := (lifecycle._soft_delete_columns(target)).deleted_at;
    SELECT lifecycle._regexp_quote(c.relname), a.attnum INTO v_name, v_number
    FROM pg_class AS c JOIN pg_attribute AS a ON a.attrelid = c.oid AND a.attname = v_column WHERE c.oid = target;
    RETURN QUERY
    SELECT 'warning', CASE c.relkind WHEN 'm' THEN 'materialized view ' ELSE 'view ' END || c.oid::regclass,
        'reads the table without the filter', left(pg_get_viewdef(c.oid), 500), NULL::text
    FROM pg_class AS c
    WHERE c.relkind IN ('v', 'm') AND c.oid IN (
        SELECT r.ev_class FROM pg_rewrite AS r
        JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = target
        GROUP BY r.ev_class
        HAVING NOT bool_or(d.refobjsubid = v_number)
    )
    ORDER BY 2;
    RETURN QUERY
    SELECT 'warning', CASE p.prokind WHEN 'p' THEN 'procedure ' ELSE 'function ' END || p.oid::regprocedure,
        'names the table and not its column', format('%s does not occur in it.', v_column), NULL::text
    FROM pg_proc AS p
    WHERE p.pronamespace NOT IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,
            'lifecycle'::regnamespace)
        AND p.pronamespace IS DISTINCT FROM to_regnamespace('lifecycle_data')
        AND coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) ~* format('\m%s\M', v_name)
        AND coalesce(pg_get_function_sqlbody(p.oid), p.prosrc) !~* format('\m%s\M', lifecycle._regexp_quote(v_column))
    ORDER BY 2;
    RETURN QUERY SELECT * FROM lifecycle._unfiltered_statements(v_name, lifecycle._regexp_quote(v_column));
END
$fn$;
COMMENT ON FUNCTION lifecycle.find_unfiltered_reads(regclass) IS
'The check of an adoption: lists views, functions and recorded statements (pg_stat_statements) that read a soft-deleted
table and do not mention the column that marks deleted rows. Views are told by their dependencies, functions and
statements by their words, so that a table with an everyday name finds too many.

Arguments: target - the table.
Returns: one row an object (lifecycle.finding): severity, object, finding, detail, remedy (always null).
Errors: 55000 soft delete is not enabled.
Example: SELECT object, detail FROM lifecycle.find_unfiltered_reads(''public.packages'');';
