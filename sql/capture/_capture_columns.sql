CREATE FUNCTION lifecycle._capture_columns(capture lifecycle.located_capture) RETURNS SETOF lifecycle.capture_column
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
    RETURN QUERY
    SELECT k.place::integer, a.attname, lifecycle._base_type(a.atttypid, a.atttypmod), q.attname,
        format_type(q.atttypid, q.atttypmod)
    FROM unnest(capture.key_columns, capture.column_numbers) WITH ORDINALITY AS k (column_name, number, place)
    LEFT JOIN pg_attribute AS a
        ON a.attrelid = capture.source AND NOT a.attisdropped
            AND CASE WHEN capture.is_here THEN a.attnum = k.number ELSE a.attname = k.column_name END
    -- The first two columns of a queue are its own.
    LEFT JOIN pg_attribute AS q ON q.attrelid = capture.queue AND q.attnum = k.place + 2
    ORDER BY k.place;
END
$fn$;
COMMENT ON FUNCTION lifecycle._capture_columns(lifecycle.located_capture) IS
'The key columns of a capture: in the source, where a rename is followed, and in the queue.';
