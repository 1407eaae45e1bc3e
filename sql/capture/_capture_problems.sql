-- What is wrong with a capture. An error means that changes may have been missed, or that writes fail.
CREATE FUNCTION lifecycle._capture_problems(capture lifecycle.located_capture) RETURNS SETOF lifecycle.finding
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
    RETURN QUERY
    WITH owned AS (
        SELECT
            (SELECT c.relowner FROM pg_class AS c WHERE c.oid = capture.source) AS source_owner,
            (SELECT c.relowner FROM pg_class AS c WHERE c.oid = capture.queue) AS queue_owner,
            (SELECT p.proowner FROM pg_proc AS p WHERE p.oid = capture.routine) AS routine_owner
    ), captured AS MATERIALIZED (
        SELECT c.* FROM lifecycle._capture_columns(capture) AS c
    ), fired AS MATERIALIZED (
        SELECT t.* FROM lifecycle._capture_triggers(capture) AS t WHERE t.state <> 'ok'
    )
    -- Each drain asks: only a problem pays for its remedy.
    SELECT x.severity, 'capture ' || capture.queue_name, x.finding, x.detail, CASE x.remedy
        WHEN 'sync' THEN format('SELECT * FROM lifecycle.sync_capture(%L)', capture.source)
        WHEN 'undo' THEN format('SELECT * FROM lifecycle.rollback_migration(%s, dry_run => false)', (
            SELECT max(s.migration_id) FROM lifecycle.migration_step AS s
            WHERE s.object = 'capture ' || capture.queue_name AND s.status = 'done'
                AND lifecycle._captured_by(capture.queue_name, s.applied_by)
        ))
        ELSE x.remedy
    END
    FROM owned AS o
    CROSS JOIN LATERAL (
        SELECT 'error', 'source gone', 'the source was dropped', 'undo' WHERE capture.source IS NULL
        UNION ALL
        SELECT 'error', 'queue gone', 'the queue is gone: every write to the source fails', 'undo'
        WHERE capture.queue IS NULL
        UNION ALL
        SELECT 'error', 'function gone', 'the trigger function is gone', 'undo' WHERE capture.routine IS NULL
        UNION ALL
        SELECT 'error', 'is a partition', 'the source is a partition now: statement triggers do not see writes '
            || 'through its root', 'undo'
        FROM pg_class AS c
        WHERE c.oid = capture.source AND c.relispartition AND capture.trigger_level = 'statement'
        UNION ALL
        SELECT 'error', 'inheritance', format('%s inherits from %s: no trigger of one fires for writes to the other',
                i.inhrelid::regclass, i.inhparent::regclass),
            format('ALTER TABLE %s NO INHERIT %s', i.inhrelid::regclass, i.inhparent::regclass)
        FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent AND p.relkind <> 'p'
        WHERE capture.source IN (i.inhrelid, i.inhparent)
        UNION ALL
        SELECT 'error', 'unlogged', 'the source is unlogged now: a crash empties it without any trigger',
            format('ALTER TABLE %s SET LOGGED', capture.source)
        FROM pg_class AS c
        WHERE c.oid = capture.source AND c.relpersistence = 'u'
        UNION ALL
        SELECT 'error', 'column gone', format('column %I was dropped: every write to the source fails',
            capture.key_columns[c.place]), 'undo'
        FROM captured AS c
        WHERE capture.source IS NOT NULL AND c.column_name IS NULL
        UNION ALL
        SELECT 'error', 'column changed', format('column %I %s is now %I %s', c.queue_column, c.queue_type,
            c.column_name, c.column_type), 'sync'
        FROM captured AS c
        WHERE (c.column_name, c.column_type) <> (c.queue_column, c.queue_type)
        UNION ALL
        SELECT 'error', 'triggers', format('%s triggers are missing, disabled or on tables that are no partition',
            count(*)), 'sync'
        FROM fired AS t
        WHERE t.state <> 'not always' AND capture.source IS NOT NULL AND capture.routine IS NOT NULL
        HAVING count(*) > 0
        UNION ALL
        SELECT 'error', 'partitions', 'partitions were attached, detached, created or dropped', 'sync'
        WHERE lifecycle._partitions_changed(capture)
        UNION ALL
        SELECT 'warning', 'not always', format('%s triggers do not fire under session_replication_role = replica',
            count(*)), 'sync'
        FROM fired AS t WHERE t.state = 'not always'
        HAVING count(*) > 0
        UNION ALL
        SELECT 'warning', 'owner', format('queue and function do not belong to %I, the owner of the source',
                pg_get_userbyid(o.source_owner)),
            format('ALTER TABLE %1$s OWNER TO %2$I; ALTER FUNCTION %1$s() OWNER TO %2$I', capture.queue,
                pg_get_userbyid(o.source_owner))
        WHERE o.source_owner <> o.queue_owner OR o.source_owner <> o.routine_owner
    ) AS x (severity, finding, detail, remedy);
END
$fn$;
COMMENT ON FUNCTION lifecycle._capture_problems(lifecycle.located_capture) IS
'What is wrong with a capture, one row a problem (lifecycle.finding), the worst first.';
