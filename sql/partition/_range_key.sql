CREATE FUNCTION lifecycle._range_key(parent regclass, of_time boolean DEFAULT false) RETURNS lifecycle.range_key
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_time constant regtype[] := '{date,timestamp,timestamptz,uuid}';
    v_numbers constant regtype[] := '{int2,int4,int8,numeric}';
    v_key record;
BEGIN
    PERFORM lifecycle._require_table(parent, '{p}');
    SELECT p.partstrat, p.partnatts, a.attname, a.atttypid::regtype AS type, pg_get_partkeydef(parent) AS definition
    INTO v_key
    FROM pg_partitioned_table AS p
    LEFT JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0] AND a.attnum > 0
    WHERE p.partrelid = parent;
    IF v_key.partstrat <> 'r' OR v_key.partnatts > 1 OR v_key.attname IS NULL
        OR v_key.type <> ALL (v_time || v_numbers) OR of_time AND v_key.type <> ALL (v_time)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'feature_not_supported',
            MESSAGE = format('the partitions of %s are not ranges of %s', parent,
                CASE WHEN of_time THEN 'time' ELSE 'times or numbers' END),
            DETAIL = format('It is partitioned by %s%s.', v_key.definition, ', of type ' || v_key.type),
            HINT = format('The key must be RANGE on one column of type %s.', array_to_string(
                CASE WHEN of_time THEN v_time ELSE v_time || v_numbers END, ', '));
    END IF;
    RETURN ROW(v_key.attname, v_key.type);
END
$fn$;
COMMENT ON FUNCTION lifecycle._range_key(regclass, boolean) IS
'The key of a table that is partitioned by ranges of times (a uuid counts as one) or numbers; raises 42809 for another
kind of relation, 0A000 for another key.';
