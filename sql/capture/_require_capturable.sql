-- What statement triggers would not see is refused here, not discovered later by a wrong copy.
CREATE FUNCTION lifecycle._require_capturable(target regclass, trigger_level text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_class constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = target);
    v_foreign constant text := (SELECT string_agg(c.oid::regclass::text, ', ' ORDER BY c.oid::regclass::text)
        FROM unnest(lifecycle._partitions(target)) AS p (relation) JOIN pg_class AS c ON c.oid = p.relation
        WHERE c.relkind = 'f');
BEGIN
    IF trigger_level IS NULL OR trigger_level NOT IN ('statement', 'row') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('trigger_level must be statement or row, not %L', trigger_level);
    ELSIF v_class.relpersistence = 'u' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s is unlogged', target),
            DETAIL = 'A crash empties it without any trigger.',
            HINT = format('ALTER TABLE %s SET LOGGED', target);
    ELSIF EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS p ON p.oid = i.inhparent
        WHERE target IN (i.inhrelid, i.inhparent) AND p.relkind <> 'p')
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s is part of a table inheritance', target),
            DETAIL = 'Statement triggers of one table do not fire for writes that name another one.',
            HINT = 'Partitioned tables can be captured.';
    ELSIF v_foreign IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s has partitions on another server: %s', target, v_foreign),
            DETAIL = 'What is written there is not seen here.';
    ELSIF v_class.relispartition AND trigger_level = 'statement' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('%s is a partition: its statement triggers do not fire for writes through %s', target,
                pg_partition_root(target)),
            HINT = 'Use trigger_level => ''row'', or capture the root.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_capturable(regclass, text) IS
'Raises 22023 or 0A000 when a table cannot be captured at this trigger level.';
