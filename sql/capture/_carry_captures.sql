-- A table takes the place of a captured one: the queue and its function stay, the triggers and the registered row go
-- over. The triggers are made before the lock: what they queue too much says only that a key is to be looked at.
CREATE FUNCTION lifecycle._carry_capture_triggers(source regclass, successor regclass, but_for name)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH relation AS (
        SELECT r.oid, r.place
        FROM unnest(successor::oid || lifecycle._partitions(successor)) WITH ORDINALITY AS r (oid, place)
    )
    SELECT ARRAY(
        -- A key that was unique may be so no longer.
        SELECT lifecycle._step('replace trigger function', 'function ' || c.routine,
            lifecycle._capture_function(c.queue_name, n.own_columns, c.key_columns, c.key_columns, c.trigger_level,
                false, or_replace => true), lifecycle._ddl('function ' || c.routine))
        FROM lifecycle._captures(source) AS c
        CROSS JOIN LATERAL (SELECT array_agg(a.attname ORDER BY a.attnum) AS own_columns FROM pg_attribute AS a
            WHERE a.attrelid = c.queue AND a.attnum IN (1, 2)) AS n
        WHERE c.consumer <> but_for AND lifecycle._is_unique_key(source, c.key_columns)
            AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = successor AND t.tgfoid = c.routine)
        ORDER BY c.consumer
    ) || ARRAY(
        SELECT lifecycle._capture_trigger_step(r.oid::regclass::text, c.queue_name, c.consumer, e.event,
            c.enable_always)
        FROM lifecycle._captures(source) AS c
        CROSS JOIN relation AS r
        CROSS JOIN LATERAL unnest(lifecycle._capture_events(c.trigger_level, r.oid = successor)) WITH ORDINALITY
            AS e (event, place)
        WHERE c.consumer <> but_for AND c.routine IS NOT NULL AND NOT EXISTS (SELECT FROM pg_trigger AS t
            WHERE t.tgrelid = r.oid AND t.tgname = lifecycle._capture_trigger_name(c.consumer, e.event))
        ORDER BY c.consumer, r.place, e.place
    )
$fn$;
COMMENT ON FUNCTION lifecycle._carry_capture_triggers(regclass, regclass, name) IS
'The steps that make the triggers of the captures of a table, but for one consumer, on the table that is to take its
place.';

CREATE FUNCTION lifecycle._take_off_captures(source regclass, but_for name) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('drop trigger', format('capture trigger %I on %s', t.tgname, source),
            format('DROP TRIGGER %I ON %s', t.tgname, source), lifecycle._ddl_trigger(t.oid))
        FROM lifecycle._captures(source) AS c
        JOIN pg_trigger AS t ON t.tgrelid = source AND t.tgfoid = c.routine
        WHERE c.consumer <> but_for
        ORDER BY c.consumer, t.tgname
    )
$fn$;
COMMENT ON FUNCTION lifecycle._take_off_captures(regclass, name) IS
'The steps that take the triggers of captures off a table before its name goes to another one.';

CREATE FUNCTION lifecycle._carry_captures(source regclass, successor regclass, but_for name)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('follow', 'capture ' || c.queue_name,
            format(s.statement, successor::oid, n.numbers, p.oids::regclass[]::text[], p.oids, c.queue_name),
            format(s.statement, source::oid, c.column_numbers, c.partitions, c.partition_oids, c.queue_name))
        FROM lifecycle._captures(source) AS c
        CROSS JOIN (SELECT lifecycle._partitions(successor) AS oids) AS p
        CROSS JOIN (SELECT 'UPDATE lifecycle.capture SET source_oid = %s, column_numbers = %L, partitions = %L, '
            'partition_oids = %L WHERE queue OPERATOR(pg_catalog.=) %L' AS statement) AS s
        CROSS JOIN LATERAL (SELECT array_agg(a.attnum ORDER BY k.place) AS numbers
            FROM unnest(c.key_columns) WITH ORDINALITY AS k (name, place)
            JOIN pg_attribute AS a ON a.attrelid = successor AND a.attname = k.name) AS n
        WHERE c.consumer <> but_for
        ORDER BY c.consumer
    )
$fn$;
COMMENT ON FUNCTION lifecycle._carry_captures(regclass, regclass, name) IS
'The steps by which the captures of a table, but for one consumer, are those of the one that takes its place.';
