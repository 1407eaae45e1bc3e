-- Everything that generated code says about a key is said from here: a predicate that runs with the owner's rights
-- must not pick an operator by search_path.
CREATE FUNCTION lifecycle._key_columns(target regclass) RETURNS lifecycle.key_column[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT ROW(
            a.attname,
            -- Without its modifier: a cast to varchar(3) would cut a longer key down to another one.
            format_type(a.atttypid, -1),
            format('OPERATOR(%I.%s)', n.nspname, o.oprname)
        )::lifecycle.key_column
        FROM pg_index AS i
        CROSS JOIN LATERAL unnest(i.indkey::int2[], i.indclass::oid[]) WITH ORDINALITY AS k (attnum, opclass, place)
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = k.attnum
        JOIN pg_opclass AS c ON c.oid = k.opclass
        JOIN pg_am AS am ON am.oid = c.opcmethod AND am.amname = 'btree'
        JOIN pg_amop AS m ON m.amopfamily = c.opcfamily AND m.amopstrategy = 3
            AND m.amoplefttype = c.opcintype AND m.amoprighttype = c.opcintype
        JOIN pg_operator AS o ON o.oid = m.amopopr
        JOIN pg_namespace AS n ON n.oid = o.oprnamespace
        WHERE i.indrelid = target AND i.indisprimary AND k.place <= i.indnkeyatts
        ORDER BY k.place
    )
$fn$;
COMMENT ON FUNCTION lifecycle._key_columns(regclass) IS
'The columns of a primary key, in order; empty when there is none, or one WITHOUT OVERLAPS.';

CREATE FUNCTION lifecycle._key_where(keys lifecycle.key_column[], left_side text, right_side text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(format('%s.%I %s %s.%I', left_side, k.name, k.equals, right_side, k.name),
        ' AND ' ORDER BY k.place)
    FROM unnest(keys) WITH ORDINALITY AS k (name, type, equals, place)
$fn$;
COMMENT ON FUNCTION lifecycle._key_where(lifecycle.key_column[], text, text) IS
'The condition that two rows have the same key, for two row aliases.';

-- A key as it comes from a caller, as {"column": value}: a scalar stands for the only column.
CREATE FUNCTION lifecycle._key_json(target regclass, keys lifecycle.key_column[], key_json jsonb) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key jsonb := CASE WHEN jsonb_typeof(key_json) NOT IN ('object', 'array') AND cardinality(keys) = 1
        THEN jsonb_build_object(keys[1].name, key_json) ELSE key_json END;
BEGIN
    IF jsonb_typeof(v_key) = 'object'
        AND ARRAY(SELECT k.name::text FROM unnest(keys) AS k ORDER BY k.name::text COLLATE "C")
            = ARRAY(SELECT n FROM jsonb_object_keys(v_key) AS n ORDER BY n COLLATE "C")
        AND NOT EXISTS (SELECT FROM jsonb_each(v_key) AS e WHERE jsonb_typeof(e.value) = 'null')
    THEN
        RETURN v_key;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'invalid_parameter_value',
        MESSAGE = format('%s is not a key of %s', coalesce(key_json::text, 'NULL'), target),
        DETAIL = coalesce((SELECT format('Its primary key is (%s).', string_agg(quote_ident(k.name), ', '))
            FROM unnest(keys) AS k HAVING count(*) > 0), 'It has no primary key.'),
        HINT = 'Give one value, or {"column": value, ...} with every column of the key.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._key_json(regclass, lifecycle.key_column[], jsonb) IS
'A key as an object of all its columns; raises 22023 when something is missing or too much.';

CREATE FUNCTION lifecycle._key_text(keys lifecycle.key_column[], key_json jsonb, alias text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(format('%s.%I %s %L::%s', alias, k.name, k.equals, key_json ->> k.name::text, k.type), ' AND '
        ORDER BY k.place)
    FROM unnest(keys) WITH ORDINALITY AS k (name, type, equals, place)
$fn$;
COMMENT ON FUNCTION lifecycle._key_text(lifecycle.key_column[], jsonb, text) IS
'The condition that a row has the key given as an object.';
