CREATE FUNCTION lifecycle.soft_delete_stats(target regclass DEFAULT NULL) RETURNS SETOF lifecycle.soft_delete_stat
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_table record;
    v_column name;
    v_stat lifecycle.soft_delete_stat;
BEGIN
    FOR v_table IN
        SELECT c.oid::regclass AS relation, n.nspname, c.relname
        FROM pg_trigger AS t
        JOIN pg_class AS c ON c.oid = t.tgrelid
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE t.tgname = 'zz_soft_delete_row' AND t.tgparentid = 0
            AND (target IS NULL OR t.tgrelid = target)
            AND has_table_privilege(c.oid, 'SELECT') AND has_schema_privilege(n.oid, 'USAGE')
        ORDER BY n.nspname, c.relname
    LOOP
        v_column := (lifecycle._soft_delete_columns(v_table.relation)).deleted_at;
        v_stat.table_schema := v_table.nspname;
        v_stat.table_name := v_table.relname;
        EXECUTE format(
            'SELECT count(*) FILTER (WHERE t.%1$I IS NULL), count(t.%1$I), '
            'round(100.0 * count(t.%1$I) / nullif(count(*), 0), 2), min(t.%1$I), max(t.%1$I) FROM %2$s AS t',
            v_column, v_table.relation
        ) INTO v_stat.active, v_stat.deleted, v_stat.deletion_rate, v_stat.oldest_deletion, v_stat.newest_deletion;
        RETURN NEXT v_stat;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle.soft_delete_stats(regclass) IS
'Counts the live and the deleted rows of every soft-deleted table that the caller may read, by a scan of each; rows that
row-level security hides from the caller are not counted.

Arguments: target - only this table; default all.
Returns: one row a table (lifecycle.soft_delete_stat): table_schema, table_name, active, deleted (rows), deletion_rate
(percent of all rows), oldest_deletion, newest_deletion.
Errors: none.
Example: SELECT table_name, active, deleted, deletion_rate FROM lifecycle.soft_delete_stats();';
