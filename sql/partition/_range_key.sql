CREATE FUNCTION lifecycle._range_key(parent regclass) RETURNS lifecycle.range_key
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key record;
BEGIN
    PERFORM lifecycle._require_table(parent, '{p}');
    SELECT p.partstrat, p.partnatts, a.attname, a.atttypid::regtype AS type, pg_get_partkeydef(parent) AS definition
    INTO v_key
    FROM pg_partitioned_table AS p
    LEFT JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attnum > 0
    WHERE p.partrelid = parent;
    IF v_key.partstrat <> 'r' OR v_key.partnatts > 1 OR v_key.attname IS NULL
        OR v_key.type NOT IN ('date'::regtype, 'timestamp'::regtype, 'timestamptz'::regtype)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('the partitions of %s are not ranges of time', parent),
            DETAIL = format('It is partitioned by %s%s.', v_key.definition, ', of type ' || v_key.type),
            HINT = 'The key must be RANGE on one column of type date, timestamp or timestamptz.';
    END IF;
    RETURN ROW(v_key.attname, v_key.type);
END
$fn$;
COMMENT ON FUNCTION lifecycle._range_key(regclass) IS
'The key of a table that is partitioned by ranges of time; raises 42809 for another kind of relation, 0A000 for another
key.';
