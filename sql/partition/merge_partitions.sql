CREATE FUNCTION lifecycle._merged_range(
    parent regclass, partitions regclass[], partition_name name
) RETURNS lifecycle.new_partition[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key constant lifecycle.range_key := lifecycle._range_key(parent);
    v_zone constant text := coalesce((SELECT (p.policy).time_zone FROM lifecycle._policy_of(parent) AS p),
        current_setting('TimeZone'));
    v_parts constant lifecycle.range_partition[] := ARRAY(SELECT p FROM lifecycle._range_partitions(ARRAY[parent::oid])
        AS p WHERE p.partition = ANY (partitions::oid[]) AND NOT p.is_default ORDER BY p.lower_place);
    v_ends lifecycle.range_ends;
BEGIN
    IF cardinality(v_parts) < cardinality(partitions) OR EXISTS (
        SELECT FROM generate_series(2, cardinality(v_parts)) AS n
        WHERE v_parts[n].lower_place <> v_parts[n - 1].upper_place)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_object_definition',
            MESSAGE = format('%s do not lie side by side', array_to_string(partitions, ', ')),
            HINT = 'Name all partitions between the first and the last, each once, without the default partition.';
    END IF;
    v_ends := ROW(lifecycle._range_bound(v_key.type, v_parts[1].lower_bound, v_zone),
        lifecycle._range_bound(v_key.type, v_parts[cardinality(v_parts)].upper_bound, v_zone));
    RETURN lifecycle._range_targets(parent, ARRAY[v_ends], ARRAY[partition_name], v_zone);
END
$fn$;
COMMENT ON FUNCTION lifecycle._merged_range(regclass, regclass[], name) IS
'The partition that holds the ranges of several; raises 42P17 unless they are neighbours.';

CREATE FUNCTION lifecycle._merged_list(
    parent regclass, partitions regclass[], partition_name name
) RETURNS lifecycle.new_partition[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_values constant text[] := ARRAY(SELECT v.value FROM unnest(partitions) WITH ORDINALITY AS p (partition, place)
        CROSS JOIN LATERAL unnest(lifecycle._list_values(p.partition)) WITH ORDINALITY AS v (value, at)
        ORDER BY p.place, v.at);
BEGIN
    IF EXISTS (SELECT FROM unnest(partitions) AS p WHERE lifecycle._list_values(p) IS NULL)
        OR (SELECT count(DISTINCT p) FROM unnest(partitions) AS p) < cardinality(partitions)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_object_definition',
            MESSAGE = format('%s cannot be merged', array_to_string(partitions, ', ')),
            HINT = 'Name each once, without the default partition.';
    END IF;
    RETURN lifecycle._list_targets(parent, jsonb_build_array(to_jsonb(v_values)), ARRAY[partition_name]);
END
$fn$;
COMMENT ON FUNCTION lifecycle._merged_list(regclass, regclass[], name) IS
'The partition that holds the values of several LIST partitions; raises 42P17 when one is named twice.';

CREATE FUNCTION lifecycle.merge_partitions(
    partitions regclass[],
    partition_name name DEFAULT NULL,
    at_once boolean DEFAULT false,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parent regclass;
    v_is_staged boolean;
    v_targets lifecycle.new_partition[];
BEGIN
    IF coalesce(cardinality(partitions), 0) < 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'name at least two partitions';
    END IF;
    v_parent := lifecycle._parent_of(partitions[1]);
    IF EXISTS (SELECT FROM unnest(partitions) AS p WHERE lifecycle._parent_of(p) <> v_parent) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_object_definition',
            MESSAGE = format('%s belong to different tables', array_to_string(partitions, ', '));
    END IF;
    v_is_staged := lifecycle._is_staged(partitions, at_once);
    PERFORM lifecycle._require_rewritable(v_parent, partitions, v_is_staged);
    PERFORM lifecycle._lock_rewrite(v_parent, partitions, NOT v_is_staged, false, dry_run);
    v_targets := CASE WHEN (SELECT p.partstrat = 'l' AND p.partnatts = 1 AND p.partattrs[0] > 0
            FROM pg_partitioned_table AS p WHERE p.partrelid = v_parent)
        THEN lifecycle._merged_list(v_parent, partitions, partition_name)
        ELSE lifecycle._merged_range(v_parent, partitions, partition_name) END;
    RETURN QUERY SELECT * FROM lifecycle._apply_rewrite('merge', v_parent, partitions, v_targets, v_is_staged, NULL,
        dry_run, expected_plan, merge_partitions.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.merge_partitions(regclass[], name, boolean, boolean, text, text) IS
'Replaces several partitions by one with the same rows, as lifecycle.split_partition does it the other way round: small
ones at once, large ones beside their readers and writers, with CALL lifecycle.rewrite_partitions.

Arguments: partitions - neighbours of RANGE, or any of LIST, all of one table; partition_name - default in the style of
the others; at_once - in one transaction whatever the size; dry_run - only show the plan; expected_plan - plan_hash of
the reviewed dry run; search_path - for functions in constraints and indexes.
Returns: one row a step (lifecycle.step_result); pending steps are run by lifecycle.rewrite_partitions.
Errors: 22023 fewer than two; 42P17 not of one table, or not side by side; 42809, 0A000, 23503, 55000, 55006, 42501,
42P07 and 55P03 as in lifecycle.split_partition.
Example: SELECT * FROM lifecycle.merge_partitions(''{public.metric_2020_01,public.metric_2020_02}'', dry_run => true);';
