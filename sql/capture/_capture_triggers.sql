-- What a capture needs against what is there, whatever made or unmade it.
CREATE FUNCTION lifecycle._capture_triggers(capture lifecycle.located_capture) RETURNS SETOF lifecycle.capture_trigger
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
    RETURN QUERY
    WITH member AS (
        SELECT capture.source::oid AS relation WHERE capture.source IS NOT NULL
        UNION
        SELECT p.relation FROM unnest(lifecycle._partitions(capture.source)) AS p (relation)
    ), wanted AS (
        SELECT m.relation, lifecycle._capture_trigger_name(capture.consumer, e.event) AS trigger_name, e.event
        FROM member AS m
        CROSS JOIN unnest(lifecycle._capture_events(capture.trigger_level, m.relation = capture.source)) AS e (event)
    ), present AS (
        SELECT t.tgrelid AS relation, t.tgname AS trigger_name, t.tgenabled,
            CASE WHEN t.tgparentid <> 0 THEN 'change' END AS event
        FROM pg_trigger AS t WHERE t.tgfoid = capture.routine
    )
    SELECT coalesce(w.relation, p.relation)::regclass, coalesce(w.trigger_name, p.trigger_name),
        coalesce(w.event, p.event),
        CASE
            WHEN p.trigger_name IS NULL THEN 'missing'
            WHEN w.trigger_name IS NULL AND p.event IS NULL THEN 'surplus'
            WHEN p.tgenabled IN ('D', 'R') THEN 'disabled'
            WHEN capture.enable_always AND p.tgenabled <> 'A' THEN 'not always'
            ELSE 'ok'
        END
    FROM wanted AS w FULL JOIN present AS p ON p.relation = w.relation AND p.trigger_name = w.trigger_name
    ORDER BY coalesce(w.relation, p.relation) <> capture.source, 1, 2;
END
$fn$;
COMMENT ON FUNCTION lifecycle._capture_triggers(lifecycle.located_capture) IS
'The triggers that a capture needs or has, each with its state.';

CREATE FUNCTION lifecycle._partitions_changed(capture lifecycle.located_capture) RETURNS boolean
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN CASE WHEN capture.is_here
        THEN lifecycle._partitions(capture.source) <> capture.partition_oids
        ELSE ARRAY(SELECT p.oid::regclass::text COLLATE "C"
            FROM unnest(lifecycle._partitions(capture.source)) AS p (oid) ORDER BY 1)
            <> ARRAY(SELECT p.name COLLATE "C" FROM unnest(capture.partitions) AS p (name) ORDER BY 1)
    END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._partitions_changed(lifecycle.located_capture) IS
'Whether partitions have come or gone since the last look: no trigger fires for ATTACH, DETACH and DROP.';
