CREATE FUNCTION lifecycle.by_list(column_name name) RETURNS lifecycle.partition_level
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT jsonb_build_array(jsonb_build_object('method', 'list', 'column', column_name))
$fn$;
COMMENT ON FUNCTION lifecycle.by_list(name) IS
'A level of partitions: one partition a value. Several, from the top: ARRAY[...], or strung together with ||.

Arguments: column_name - the key, of any type.
Returns: [{"method": "list", "column": ...}], as lifecycle.create_partitioned_table and manage_partitions take it.
Errors: none.
Example: SELECT ARRAY[lifecycle.by_list(''program_id''), lifecycle.by_range(''created_at'', ''1 month'')];';
