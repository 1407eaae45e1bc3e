-- The batch is chosen, locked and counted once (MATERIALIZED): a subquery with LIMIT and SKIP LOCKED that the planner
-- runs again deletes more than it says. The index on the number of the deletion leads to the rows.
CREATE FUNCTION lifecycle.purge_deleted_step(
    target regclass,
    older_than interval DEFAULT interval '30 days',
    batch_size integer DEFAULT 5000,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns record;
    v_keys constant lifecycle.key_column[] := lifecycle._key_columns(target);
    v_condition text;
    v_purged bigint := 0;
BEGIN
    PERFORM lifecycle._require_span(older_than);
    IF batch_size IS NULL OR batch_size < 1 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'batch_size must be at least 1';
    END IF;
    SELECT c.* INTO v_columns FROM lifecycle._soft_delete_columns(target) AS c;
    v_condition := lifecycle._purge_condition(target, v_columns.deleted_at, now() - older_than);
    -- Rows that were marked before the table was enabled have no number.
    FOR v_round IN 1..2 LOOP
        v_purged := lifecycle._delete_really(target, format(
            'WITH batch AS MATERIALIZED (SELECT %s FROM %s AS t WHERE t.%I IS %sNULL AND %s%s LIMIT %s '
            'FOR UPDATE OF t SKIP LOCKED) DELETE FROM %2$s AS t USING batch AS b WHERE %8$s',
            (SELECT string_agg(format('t.%I', k.name), ', ') FROM unnest(v_keys) AS k), target, v_columns.deletion_id,
            CASE v_round WHEN 1 THEN 'NOT ' ELSE '' END, v_condition,
            CASE v_round WHEN 1 THEN format(' ORDER BY t.%I', v_columns.deletion_id) ELSE '' END, batch_size,
            lifecycle._key_where(v_keys, 't', 'b')), purge_deleted_step.search_path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        EXIT WHEN v_purged > 0;
    END LOOP;
    RETURN jsonb_build_object('purged', v_purged);
END
$fn$;
COMMENT ON FUNCTION lifecycle.purge_deleted_step(regclass, interval, integer, text) IS
'One batch of purge_deleted in the caller''s transaction, where only a function can be called. Call it until it purges
nothing.

Arguments: target - the table; older_than - how long ago the rows must have been marked, interval, default 30 days;
batch_size - at most so many rows, default 5000; search_path - what triggers see, by default the caller''s.
Returns: jsonb: purged (rows).
Errors: 55000 soft delete is not enabled; 22023 a negative span or batch; 42501 by privileges.
Example: SELECT lifecycle.purge_deleted_step(''public.packages'', ''90 days'', 1000);';
