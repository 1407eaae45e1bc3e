CREATE FUNCTION lifecycle.swap_tables_step(
    target regclass, search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.plan_step LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_attempts constant integer := lifecycle.setting('lock_attempts')::integer;
    v_try record;
BEGIN
    FOR v_attempt IN 1..v_attempts LOOP
        SELECT t.steps, t.failure INTO v_try FROM lifecycle._try_swap(target, swap_tables_step.search_path) AS t;
        EXIT WHEN v_try.failure IS NULL OR v_attempt = v_attempts;
        PERFORM lifecycle._pause();
    END LOOP;
    PERFORM lifecycle._raise_again(v_try.failure);
    RETURN QUERY SELECT s.* FROM unnest(v_try.steps) AS s;
END
$fn$;
COMMENT ON FUNCTION lifecycle.swap_tables_step(regclass, text) IS
'The swap of swap_tables in the caller''s transaction, where only a function can be called. Commit at once: the table is
locked until then.

Arguments: target - the table; search_path - for event triggers, by default the caller''s.
Returns: the steps that were run (lifecycle.plan_step).
Errors: 55P03 no lock within lifecycle.lock_attempts tries, or too much is queued; 55000 the conversion is not ready,
the table was altered since, or a predicate left out rows; 42809 not a table; 42501 not the owner; 25000
unless READ COMMITTED.
Example: SELECT statement FROM lifecycle.swap_tables_step(''public.observation'');';
