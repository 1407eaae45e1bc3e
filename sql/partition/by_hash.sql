CREATE FUNCTION lifecycle.by_hash(column_name name, modulus integer) RETURNS lifecycle.partition_level
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT jsonb_build_array(jsonb_build_object('method', 'hash', 'column', column_name, 'modulus', modulus))
$fn$;
COMMENT ON FUNCTION lifecycle.by_hash(name, integer) IS
'A level of partitions: rows spread over a fixed number of them. Several, from the top: ARRAY[...], or
strung together with ||.

Arguments: column_name - the key, of any type that can be hashed; modulus - how many partitions.
Returns: [{"method": "hash", "column": ..., "modulus": ...}].
Errors: none here; the function that takes it raises 22023 for a modulus below 1.
Example: SELECT lifecycle.by_hash(''submission_id'', 16);';
