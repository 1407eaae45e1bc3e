CREATE FUNCTION lifecycle.convert_step(
    target regclass, batch_size integer DEFAULT 10000, max_seconds numeric DEFAULT 5
) RETURNS lifecycle.conversion_state LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_until timestamptz;
    v_done record;
BEGIN
    PERFORM lifecycle._require_number('batch_size', batch_size, 1),
        lifecycle._require_number('max_seconds', max_seconds, 0, 86400, 'So long new batches are begun.');
    v_until := clock_timestamp() + make_interval(secs => max_seconds::float8);
    LOOP
        SELECT t.state, t.failure INTO v_done FROM lifecycle._try_convert(target, batch_size) AS t;
        -- That the way back is barred must be seen afterwards, so it is no error here.
        EXIT WHEN v_done.failure IS NOT NULL AND ((lifecycle._conversion(target)).conversion).blocked IS NOT NULL;
        PERFORM lifecycle._raise_again(v_done.failure);
        EXIT WHEN (v_done.state).remaining IS NULL OR clock_timestamp() >= v_until;
    END LOOP;
    RETURN lifecycle._conversion_state(lifecycle._conversion(target));
END
$fn$;
COMMENT ON FUNCTION lifecycle.convert_step(regclass, integer, numeric) IS
'A bounded part of convert_data in the caller''s transaction, where only a function can be called. Call it, and commit,
until remaining is NULL. After the swap it brings the old table up to date.

Arguments: target - the table; batch_size - rows or queue entries at a time, default 10000; max_seconds - after how long
no other batch is begun, seconds, default 5.
Returns: lifecycle.conversion_state, as lifecycle.monitor_migration shows it.
Errors: 55000 it is not being converted, or was altered since; 42809 not a table; 55P03 another session is at it;
25000 unless READ COMMITTED; 42501 not the owner; 22023 batch_size or max_seconds.
Example: SELECT phase, percent, remaining FROM lifecycle.convert_step(''public.observation'', max_seconds => 2);';
