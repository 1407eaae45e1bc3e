-- Which columns say what changed: those asked for, else the primary key.
CREATE FUNCTION lifecycle._require_key_columns(target regclass, key_columns name[]) RETURNS name[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns name[] := key_columns;
    v_column record;
BEGIN
    IF v_columns IS NULL THEN
        v_columns := ARRAY(
            SELECT a.attname
            FROM pg_constraint AS k
            CROSS JOIN LATERAL unnest(k.conkey) WITH ORDINALITY AS n (number, place)
            JOIN pg_attribute AS a ON a.attrelid = k.conrelid AND a.attnum = n.number
            WHERE k.conrelid = target AND k.contype = 'p'
            ORDER BY n.place
        );
    END IF;
    IF cardinality(v_columns) = 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no primary key', target),
            HINT = 'Name the columns to capture: key_columns => ''{a,b}''.';
    ELSIF cardinality(v_columns) > (SELECT count(DISTINCT c) FROM unnest(v_columns) AS c) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('key_columns %s names a column twice, or none', v_columns);
    END IF;
    FOR v_column IN
        SELECT c.name, a.attgenerated AS generated, lifecycle._base_type(a.atttypid, a.atttypmod)::regtype AS type
        FROM unnest(v_columns) WITH ORDINALITY AS c (name, place)
        LEFT JOIN pg_attribute AS a
            ON a.attrelid = target AND a.attname = c.name AND a.attnum > 0 AND NOT a.attisdropped
        ORDER BY c.place
    LOOP
        PERFORM lifecycle._require_key_column(target, v_column.name, v_column.generated::text, v_column.type);
    END LOOP;
    RETURN v_columns;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_key_columns(regclass, name[]) IS
'The columns to capture, by default the primary key; raises 55000, 22023, 42703, 0A000 or 42883 when they will not do.';
