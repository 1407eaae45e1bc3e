-- The other way round: who takes a partition away whose rows are elsewhere in the same table by then takes these steps
-- behind DETACH, and no consumer has to start afresh.
CREATE FUNCTION lifecycle._release_partition_steps(parent regclass, partition regclass)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(array_agg(s.step ORDER BY c.queue_name, s.place), '{}')
    FROM pg_partition_ancestors(parent) AS a
    CROSS JOIN LATERAL lifecycle._captures(a.relid) AS c
    CROSS JOIN LATERAL (
        SELECT e.place, lifecycle._step('release partition', t.object,
            format('DROP TRIGGER %I ON %s', lifecycle._capture_trigger_name(c.consumer, e.event), partition),
            t.statement)
        FROM unnest(lifecycle._capture_events(c.trigger_level, false)) WITH ORDINALITY AS e (event, place)
        CROSS JOIN LATERAL lifecycle._capture_trigger_step(partition::text, c.queue_name, c.consumer, e.event,
            c.enable_always) AS t
        WHERE EXISTS (SELECT FROM pg_trigger AS g WHERE g.tgrelid = partition
            AND g.tgname = lifecycle._capture_trigger_name(c.consumer, e.event))
        UNION ALL
        SELECT 9, lifecycle._step('release partition', r.object, r.inverse, r.statement)
        FROM lifecycle._register_partition_step(partition::text, c.queue_name) AS r
    ) AS s (place, step)
$fn$;
COMMENT ON FUNCTION lifecycle._release_partition_steps(regclass, regclass) IS
'The steps that take a partition, which an earlier step of the same stage has detached, out of every capture of its
table; none when nothing is captured.';
