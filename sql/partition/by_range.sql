CREATE FUNCTION lifecycle.by_range(column_name name, every text) RETURNS lifecycle.partition_level
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT jsonb_build_array(jsonb_build_object('method', 'range', 'column', column_name, 'every', every))
$fn$;
COMMENT ON FUNCTION lifecycle.by_range(name, text) IS
'A level of partitions: one partition a span. Several, from the top: ARRAY[...], or strung together with ||.

Arguments: column_name - the key: date, timestamp, timestamptz, uuid of version 7, smallint, integer, bigint, numeric;
every - whole months and years, whole days, or an hour and more, with its unit; of numbers their width.
Returns: [{"method": "range", "column": ..., "every": ...}].
Errors: none here; the function that takes it raises 22023 for a span that does not fit to the type.
Example: SELECT lifecycle.by_range(''created_at'', ''1 month'');';
