CREATE FUNCTION lifecycle._register_partition_step(partition_name text, queue_name text) RETURNS lifecycle.plan_step
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('register partition', 'capture partition ' || partition_name,
        format('UPDATE lifecycle.capture AS c SET partitions = c.partitions OPERATOR(pg_catalog.||) %1$L::text, '
            || 'partition_oids = ARRAY(SELECT p.o FROM pg_catalog.unnest(c.partition_oids '
            || 'OPERATOR(pg_catalog.||) %1$L::pg_catalog.regclass::pg_catalog.oid) AS p (o) ORDER BY 1) '
            || 'WHERE c.queue OPERATOR(pg_catalog.=) %2$L', partition_name, queue_name),
        format('UPDATE lifecycle.capture AS c SET '
            || 'partitions = pg_catalog.array_remove(c.partitions, %1$L::text), partition_oids = '
            || 'pg_catalog.array_remove(c.partition_oids, %1$L::pg_catalog.regclass::pg_catalog.oid) '
            || 'WHERE c.queue OPERATOR(pg_catalog.=) %2$L', partition_name, queue_name))
$fn$;
COMMENT ON FUNCTION lifecycle._register_partition_step(text, text) IS
'The step that adds a partition to those that a capture knows.';

-- Who makes a partition takes these steps into the same transaction, behind ATTACH: then no write can have come in
-- between, and no consumer has to start afresh.
CREATE FUNCTION lifecycle._capture_partition_steps(parent regclass, partition_name text)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(array_agg(s.step ORDER BY c.queue_name, s.place), '{}')
    FROM pg_partition_ancestors(parent) AS a
    CROSS JOIN LATERAL lifecycle._captures(a.relid) AS c
    CROSS JOIN LATERAL (
        SELECT e.place, lifecycle._capture_trigger_step(partition_name, c.queue_name, c.consumer, e.event,
            c.enable_always)
        FROM unnest(lifecycle._capture_events(c.trigger_level, false)) WITH ORDINALITY AS e (event, place)
        UNION ALL
        SELECT 9, lifecycle._register_partition_step(partition_name, c.queue_name)
    ) AS s (place, step)
$fn$;
COMMENT ON FUNCTION lifecycle._capture_partition_steps(regclass, text) IS
'The steps that extend every capture of a partitioned table, or of what it is a partition of, to a partition that an
earlier step of the same stage makes; none when nothing is captured.';
