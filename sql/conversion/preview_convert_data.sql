CREATE FUNCTION lifecycle.preview_convert_data(target regclass)
RETURNS TABLE (phase text, work text, amount bigint, estimated_time interval)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_conversion constant lifecycle.located_conversion := lifecycle._conversion(target);
    v_state constant lifecycle.conversion_state := lifecycle._conversion_state(v_conversion);
    v_leaves constant bigint := (SELECT count(*) FROM pg_partition_tree(v_conversion.partitioned) AS t WHERE t.isleaf);
BEGIN
    RETURN QUERY SELECT 'copy', 'rows to copy (an estimate)', greatest(v_state.rows_total - v_state.rows_done, 0),
        make_interval(secs => (greatest(v_state.rows_total - v_state.rows_done, 0)
            / coalesce(nullif(v_state.rate, 0), 50000))::float8)
        WHERE v_state.phase = 'copy';
    RETURN QUERY SELECT 'index', 'indexes to build, partition by partition', v_leaves * count(*), NULL::interval
        FROM pg_index AS i WHERE i.indrelid = v_conversion.source AND v_state.phase IN ('copy', 'index')
        HAVING count(*) > 0;
    RETURN QUERY SELECT 'dress', 'tables to get rights, policies and statistics', v_leaves + 1, NULL::interval
        WHERE v_state.phase IN ('copy', 'index', 'dress');
    RETURN QUERY SELECT v_state.phase, 'queue entries to replay', v_state.queue_entries, NULL::interval;
END
$fn$;
COMMENT ON FUNCTION lifecycle.preview_convert_data(regclass) IS
'What convert_data still has to do.

Arguments: target - the table.
Returns: one row a kind of work: phase, work, amount (rows, indexes, tables or entries),
estimated_time (by the rate so far, 50,000 rows a second before there is one; NULL where nothing is known).
Errors: 55000 it is not being converted; 42809 not a table.
Example: SELECT * FROM lifecycle.preview_convert_data(''public.observation'');';
