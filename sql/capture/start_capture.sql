CREATE FUNCTION lifecycle._plan_start_capture(
    target regclass, consumer name, key_columns name[], trigger_level text, enable_always boolean
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_capture lifecycle.located_capture;
BEGIN
    SELECT c.* INTO v_capture FROM lifecycle._captures(target) AS c WHERE c.consumer = _plan_start_capture.consumer;
    IF NOT FOUND THEN
        RETURN lifecycle._data_schema_steps()
            || lifecycle._plan_capture(target, consumer, key_columns, trigger_level, enable_always);
    ELSIF (v_capture.key_columns, v_capture.trigger_level, v_capture.enable_always) IS DISTINCT FROM
        (lifecycle._require_key_columns(target, key_columns), trigger_level, enable_always)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s is captured for consumer %I in another way', target, consumer),
            DETAIL = format('Its key columns are %s, trigger_level is %s, enable_always is %s.',
                v_capture.key_columns, v_capture.trigger_level, v_capture.enable_always),
            HINT = format('SELECT * FROM lifecycle.drop_capture(%L, %L) first.', target, consumer);
    END IF;
    RETURN ARRAY[lifecycle._step('register capture', 'capture ' || v_capture.queue_name, NULL,
        note => 'stands; lifecycle.sync_capture() mends what is missing')];
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_start_capture(regclass, name, name[], text, boolean) IS
'The plan of start_capture.';

CREATE FUNCTION lifecycle.start_capture(
    target regclass,
    consumer name,
    key_columns name[] DEFAULT NULL,
    trigger_level text DEFAULT 'statement',
    enable_always boolean DEFAULT true,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_table(target);
    PERFORM lifecycle._require_owner(target);
    PERFORM lifecycle._require_capturable(target, trigger_level);
    IF enable_always IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'enable_always must not be NULL',
            HINT = 'Leave it out to record what replication writes as well.';
    END IF;
    -- CREATE TRIGGER needs this lock; it also waits for all who write now, so that after the commit nobody is left who
    -- writes without the triggers.
    PERFORM lifecycle._lock(target || lifecycle._partitions(target)::regclass[], 'SHARE ROW EXCLUSIVE', dry_run);
    RETURN QUERY SELECT * FROM lifecycle._apply('capture', target,
        lifecycle._plan_start_capture(target, consumer, key_columns, trigger_level, enable_always), dry_run,
        expected_plan,
        jsonb_build_object('consumer', consumer, 'key_columns', key_columns, 'trigger_level', trigger_level,
            'enable_always', enable_always),
        start_capture.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.start_capture(regclass, name, name[], text, boolean, boolean, text, text) IS
'Starts to record which rows of a table change: a queue in lifecycle_data for this consumer, filled by triggers with the
keys of every row written, old and new. Commit before the first copy of the table is read.

Arguments: target - a table, or the root of a partitioned one; consumer - who will empty the queue; each consumer has
its own; key_columns - the columns to record (default: the primary key); trigger_level - statement (cheapest; partitions
get triggers of their own, see lifecycle.sync_capture) or row (sees writes to any partition, present and future);
enable_always - fire under session_replication_role = replica as well; dry_run - only show the plan; expected_plan -
plan_hash of the reviewed dry run; search_path - for event triggers.
Returns: one row a step (lifecycle.step_result).
Errors: 42501 not the owner; 42P01, 42809 not a table of yours; 42703, 42883, 55000 the key columns will not do, or the
consumer captures in another way; 0A000 a table that triggers cannot watch (unlogged, inheritance, foreign partitions, a
partition at statement level); 22023 arguments; 42710 triggers of an earlier installation; 55P03 lock.
Example: SELECT * FROM lifecycle.start_capture(''public.orders'', ''search_index'', dry_run => true);';
