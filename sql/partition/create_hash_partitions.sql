CREATE FUNCTION lifecycle.create_hash_partitions(
    parent regclass,
    modulus integer,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_levels constant jsonb[] := lifecycle._levels_below(parent, 'hash');
BEGIN
    PERFORM lifecycle._require_number('modulus', modulus, 1, 10000, 'So many partitions there will be.');
    RETURN QUERY SELECT * FROM lifecycle._create_subtree(parent,
        ARRAY[v_levels[1] || jsonb_build_object('modulus', modulus)] || v_levels[2:], '{}',
        lifecycle._policy_options(parent), dry_run, expected_plan, create_hash_partitions.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_hash_partitions(regclass, integer, boolean, text, text) IS
'Adds the partitions that are missing to a table that is partitioned by HASH, dressed like their parent.

Arguments: parent - the partitioned table; modulus - how many partitions, 1 to 10000; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); skipped what stands.
Errors: 42809 not a partitioned table; 0A000 another kind of key; 22023 modulus; 42P17 partitions of another modulus are
in the way; 42501 not the owner; 55P03 lock.
Example: SELECT * FROM lifecycle.create_hash_partitions(''public.submission'', 16);';
