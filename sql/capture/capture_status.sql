-- Counted one by one up to a bound; what the caller may not read is taken from the statistics.
CREATE FUNCTION lifecycle._capture_size(queue regclass, OUT entries bigint, OUT oldest timestamptz)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_bound constant bigint := 100000::bigint;
    v_time constant name := (SELECT a.attname FROM pg_attribute AS a WHERE a.attrelid = queue AND a.attnum = 1);
    v_readable constant boolean := has_schema_privilege('lifecycle_data', 'USAGE')
        AND has_table_privilege(queue, 'SELECT');
BEGIN
    entries := 0;
    IF v_readable THEN
        EXECUTE format('SELECT count(*), min(e.at) FROM (SELECT q.%I FROM %s AS q LIMIT $1) AS e (at)', v_time, queue)
            INTO entries, oldest USING v_bound;
    END IF;
    IF NOT v_readable OR entries = v_bound THEN
        entries := greatest(entries, pg_stat_get_live_tuples(queue));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._capture_size(regclass) IS
'How many entries a queue has (exact up to 100,000) and when the oldest was entered.';

CREATE FUNCTION lifecycle.capture_status(target regclass DEFAULT NULL) RETURNS SETOF lifecycle.capture_state
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT
        n.nspname, s.relname, c.consumer, c.queue_name, c.key_columns, c.trigger_level, t.always, z.entries,
        pg_stat_get_dead_tuples(c.queue), pg_total_relation_size(c.queue), z.oldest, clock_timestamp() - z.oldest,
        t.missing, p.problem, p.remedy
    FROM lifecycle._captures(target) AS c
    LEFT JOIN pg_class AS s ON s.oid = c.source
    LEFT JOIN pg_namespace AS n ON n.oid = s.relnamespace
    LEFT JOIN LATERAL lifecycle._capture_size(c.queue) AS z ON c.queue IS NOT NULL
    CROSS JOIN LATERAL (
        SELECT
            coalesce(bool_and(g.state <> 'not always') AND c.enable_always, false) AS always,
            array_agg(format('%s on %s', g.trigger_name, g.relation)) FILTER (WHERE g.state IN ('missing', 'disabled'))
                AS missing
        FROM lifecycle._capture_triggers(c) AS g
    ) AS t
    CROSS JOIN LATERAL (
        SELECT string_agg(f.detail, '; ') AS problem, (array_agg(f.remedy))[1] AS remedy
        FROM lifecycle._capture_problems(c) AS f
    ) AS p
    ORDER BY n.nspname, s.relname, c.consumer
$fn$;
COMMENT ON FUNCTION lifecycle.capture_status(regclass) IS
'The captures of a table, or all of them, with the size and age of their queues and what is wrong with them.

Arguments: target - the captured table (default: all).
Returns: one row a capture (lifecycle.capture_state): source_schema, source_name, consumer, queue, key_columns,
trigger_level, enable_always (whether all its triggers are), entries (exact up to 100,000, beyond that an estimate),
dead_entries (not yet vacuumed, an estimate), bytes, oldest_entry and lag (NULL when empty, or not readable by the
caller), missing (triggers that are not there or disabled), problem (NULL: none) and the statement that mends it.
Errors: none.
Example: SELECT source_name, consumer, entries, lag, problem, remedy FROM lifecycle.capture_status();';
