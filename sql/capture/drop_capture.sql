-- The migrations of a queue, newest first: the one that made it, and those that kept it in step with its partitions.
CREATE FUNCTION lifecycle._capture_migrations(queue_name text, with_start boolean DEFAULT true) RETURNS bigint[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT DISTINCT s.migration_id FROM lifecycle.migration_step AS s
        WHERE s.status = 'done' AND lifecycle._captured_by(queue_name, s.applied_by)
            AND (s.object = 'capture sync ' || queue_name OR with_start AND s.object = 'capture ' || queue_name)
        ORDER BY s.migration_id DESC
    )
$fn$;
COMMENT ON FUNCTION lifecycle._capture_migrations(text, boolean) IS
'The migrations that made a queue and kept it in step, newest first; without the first one: with_start => false.';

CREATE FUNCTION lifecycle.drop_capture(
    target regclass,
    consumer name,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_capture lifecycle.located_capture;
    v_migration lifecycle.migration;
BEGIN
    PERFORM lifecycle._require_table(target);
    PERFORM lifecycle._require_owner(target);
    IF consumer IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the consumer must not be NULL',
            HINT = 'SELECT consumer FROM lifecycle.capture_status() lists them.';
    END IF;
    SELECT c.* INTO v_capture FROM lifecycle._captures(target) AS c WHERE c.consumer = drop_capture.consumer;
    IF NOT FOUND THEN
        RAISE NOTICE '% is not captured for consumer %: nothing to drop', target, consumer;
        RETURN;
    END IF;
    SELECT m.* INTO v_migration FROM lifecycle.migration AS m
    JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id
    WHERE s.object = 'capture ' || v_capture.queue_name AND s.status = 'done'
        AND lifecycle._captured_by(v_capture.queue_name, s.applied_by)
    ORDER BY m.migration_id DESC
    LIMIT 1;
    IF v_migration.feature IS DISTINCT FROM 'capture' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'dependent_objects_still_exist',
            MESSAGE = format('the capture of %s for consumer %I was not made by start_capture', target, consumer),
            DETAIL = CASE WHEN v_migration.migration_id IS NULL THEN 'The journal does not know it.'
                ELSE format('It is part of migration %s, %s of %s.', v_migration.migration_id, v_migration.feature,
                    v_migration.target) END,
            HINT = CASE WHEN v_migration.migration_id IS NULL
                THEN format('DROP FUNCTION %1$s() CASCADE; DROP TABLE %1$s; '
                    'DELETE FROM lifecycle.capture WHERE queue = %2$L', v_capture.queue, v_capture.queue_name)
                ELSE format('SELECT * FROM lifecycle.rollback_migration(%s)', v_migration.migration_id) END;
    END IF;
    -- DROP TRIGGER needs this lock; the partitions are not in the locks of a rollback.
    PERFORM lifecycle._lock(target || ARRAY(
        SELECT DISTINCT t.relation FROM lifecycle._capture_triggers(v_capture) AS t WHERE t.relation <> target
    ), 'ACCESS EXCLUSIVE', dry_run);
    RETURN QUERY SELECT * FROM lifecycle._rollback(lifecycle._capture_migrations(v_capture.queue_name), dry_run,
        expected_plan, search_path => drop_capture.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.drop_capture(regclass, name, boolean, text, text) IS
'Ends a capture: takes back start_capture, and what sync_capture added. Entries still in the queue are gone with it.

Arguments: target - the captured table; consumer - whose capture; dry_run - only show the plan (the default);
expected_plan - plan_hash of the reviewed dry run; search_path - instead of the journaled one.
Returns: one row a step (lifecycle.step_result); none, and a NOTICE, when there is no such capture.
Errors: 2BP01 another feature made it as part of its own; 42501 not the owner, or applied by another role; 42809
not a table; 55P03 lock.
Example: SELECT * FROM lifecycle.drop_capture(''public.orders'', ''search_index'', dry_run => false);';
