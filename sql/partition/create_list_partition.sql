CREATE FUNCTION lifecycle.create_list_partition(
    parent regclass,
    list_values text[],
    partition_name name DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_levels constant jsonb[] := lifecycle._levels_below(parent, 'list');
    v_options constant jsonb := lifecycle._policy_options(parent) || jsonb_strip_nulls(jsonb_build_object(
        'leaf', lifecycle._newest_leaf(parent), 'partition_name', partition_name));
    v_plan lifecycle.plan_step[];
BEGIN
    IF coalesce(cardinality(list_values), 0) = 0
        OR (SELECT count(DISTINCT coalesce('v' || v, '')) FROM unnest(list_values) AS v) < cardinality(list_values)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'a LIST partition needs values',
            DETAIL = format('list_values is %s.', coalesce(list_values::text, 'NULL')),
            HINT = 'Name at least one, and each once.';
    END IF;
    PERFORM lifecycle._require_owner(parent);
    PERFORM lifecycle._lock_attach(parent, dry_run);
    v_plan := lifecycle._plan_list_level(parent, parent::text, parent, v_levels, list_values[:1], v_options,
        list_values);
    RETURN QUERY SELECT * FROM lifecycle._apply('partition', parent, v_plan, dry_run, expected_plan,
        jsonb_build_object('list_values', list_values), create_list_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_list_partition(regclass, text[], name, boolean, text, text) IS
'Adds a partition for some values to a table that is partitioned by LIST, dressed like its parent, with what its policy
says is below it.

Arguments: parent - the partitioned table, its key of any type; list_values - the values as text, NULL among them if it
is meant; partition_name - default <parent>_<value>, of a UUID its first eight digits; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); skipped where a partition holds one of the values already.
Errors: 42809 not a partitioned table; 0A000 another kind of key, or the siblings are partitioned themselves and no
policy says how; 22023 no values; 22P02 a value of another type; 42P07 partition_name is taken; 42501; 55P03.
Example: SELECT * FROM lifecycle.create_list_partition(''public.observation'', ''{north,south}'');';
