CREATE FUNCTION lifecycle.preview_convert_data(target regclass)
RETURNS TABLE (phase text, work text, amount bigint, estimated_time interval)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_conversion constant lifecycle.located_conversion := lifecycle._conversion(target);
    v_state constant lifecycle.conversion_state := lifecycle._conversion_state(v_conversion);
    v_leaves constant bigint := (SELECT count(*) FROM pg_partition_tree(v_conversion.partitioned) AS t WHERE t.isleaf);
BEGIN
    RETURN QUERY SELECT 'copy', 'rows to copy (an estimate)', greatest(v_state.rows_total - v_state.rows_done, 0),
        make_interval(secs => ((v_state.rows_total - v_state.rows_done) / coalesce(v_state.rate, 50000))::float8)
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
Returns: one row a kind of work: phase, work, amount, estimated_time (NULL where nothing is known).
Errors: 55000 it is not being converted.
Example: SELECT * FROM lifecycle.preview_convert_data(''public.observation'');';
