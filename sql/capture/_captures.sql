-- From the stored rows to the objects of today: by oid in the database that wrote the row, by name in a restored one.
CREATE FUNCTION lifecycle._captures(target regclass DEFAULT NULL, of_queue regclass DEFAULT NULL)
RETURNS SETOF lifecycle.located_capture LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN QUERY
    SELECT
        c.queue, q.oid::regclass, s.oid::regclass, p.oid::regprocedure, c.consumer, c.key_columns, c.column_numbers,
        c.trigger_level, c.enable_always, c.partitions, c.partition_oids, c.origin = o.origin
    FROM (SELECT lifecycle._origin() AS origin OFFSET 0) AS o
    CROSS JOIN lifecycle.capture AS c
    LEFT JOIN pg_class AS s
        ON s.oid = CASE WHEN c.origin = o.origin THEN c.source_oid ELSE lifecycle._named_relation(c.source) END
    -- Nobody's queue belongs to a table of others.
    LEFT JOIN pg_class AS q
        ON q.oid = CASE WHEN c.origin = o.origin THEN c.queue_oid ELSE lifecycle._named_relation(c.queue) END
            AND (q.relowner = s.relowner OR lifecycle._owns_all(c.started_by, ARRAY[q.oid]))
    LEFT JOIN pg_proc AS p
        ON p.proname = (parse_ident(c.queue))[2] AND p.pronargs = 0
            AND p.pronamespace = to_regnamespace('lifecycle_data')
    WHERE (_captures.target IS NULL OR s.oid = _captures.target) AND (of_queue IS NULL OR q.oid = of_queue)
    ORDER BY c.source, c.consumer;
END
$fn$;
COMMENT ON FUNCTION lifecycle._captures(regclass, regclass) IS
'The captures of a table, that of a queue, or all of them, as they are found today.';

CREATE FUNCTION lifecycle._capture_queue(source regclass, consumer name) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_capture lifecycle.located_capture;
BEGIN
    SELECT c.* INTO v_capture FROM lifecycle._captures(source) AS c WHERE c.consumer = _capture_queue.consumer;
    IF v_capture.queue IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('%s is not captured for consumer %I', source, consumer),
            HINT = format('SELECT * FROM lifecycle.start_capture(%L, %L)', source, consumer);
    END IF;
    RETURN v_capture.queue;
END
$fn$;
COMMENT ON FUNCTION lifecycle._capture_queue(regclass, name) IS
'The queue of a source and consumer; raises 42704 when there is none.';

-- A step of the journal may name whatever its writer likes.
CREATE FUNCTION lifecycle._captured_by(queue text, role_name name) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM lifecycle.capture AS c
        WHERE c.queue = _captured_by.queue
            AND (c.started_by = role_name OR c.source_oid IN (SELECT s.oid FROM pg_class AS s)
                AND lifecycle._owns_all(role_name, ARRAY[c.source_oid]))
    )
$fn$;
COMMENT ON FUNCTION lifecycle._captured_by(text, name) IS
'Whether a role has started the capture of a queue, or has the rights of the owner of its source.';
