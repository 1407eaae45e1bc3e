CREATE FUNCTION lifecycle.preview_swap_tables(target regclass) RETURNS SETOF lifecycle.step_result
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_conversion constant lifecycle.located_conversion := lifecycle._conversion(target);
    v_steps lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._require_phase(v_conversion, '{copy,index,dress,ready}');
    v_steps := lifecycle._plan_swap(v_conversion);
    RETURN QUERY SELECT * FROM lifecycle._result_rows(v_steps, lifecycle._plan_hash(v_steps));
END
$fn$;
COMMENT ON FUNCTION lifecycle.preview_swap_tables(regclass) IS
'What swap_tables will do, in one transaction under an ACCESS EXCLUSIVE lock of the table: names, sequences, triggers,
views, and a capture that keeps the old table in step.

Arguments: target - the table.
Returns: one row a step (lifecycle.step_result), status planned.
Errors: 55000 the table is not being converted, or is swapped already; 42809 not a table.
Example: SELECT statement FROM lifecycle.preview_swap_tables(''public.observation'');';
