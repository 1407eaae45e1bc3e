-- Which columns are copied, and the ranges of a key in which two tables are compared.
CREATE FUNCTION lifecycle._copy_columns(source regclass, destination regclass) RETURNS name[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT array_agg(s.attname ORDER BY s.attnum)
    FROM pg_attribute AS s
    JOIN pg_attribute AS d
        ON d.attrelid = destination AND d.attname = s.attname AND NOT d.attisdropped AND d.attgenerated = ''
    WHERE s.attrelid = source AND s.attnum > 0 AND NOT s.attisdropped
$fn$;
COMMENT ON FUNCTION lifecycle._copy_columns(regclass, regclass) IS
'The columns that both tables have and that can be written in the second.';

CREATE FUNCTION lifecycle._column_list(columns name[], prefix text DEFAULT '') RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(prefix || quote_ident(c.name), ', ' ORDER BY c.place)
    FROM unnest(columns) WITH ORDINALITY AS c (name, place)
$fn$;
COMMENT ON FUNCTION lifecycle._column_list(name[], text) IS 'Columns as SQL writes them, each behind a prefix.';

-- Row comparison finds its operators on the pinned path, so the types must be at home there (_is_range_key).
CREATE FUNCTION lifecycle._key_condition(relation regclass, key_columns name[], operator text, key text[])
RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN key IS NULL THEN 'true' ELSE format('ROW(%s) %s ROW(%s)',
        lifecycle._column_list(key_columns, 't.'), operator,
        string_agg(format('%L::%s', key[k.place], lifecycle._base_type(a.atttypid, a.atttypmod)), ', '
            ORDER BY k.place)) END
    FROM unnest(key_columns) WITH ORDINALITY AS k (name, place)
    JOIN pg_attribute AS a ON a.attrelid = relation AND a.attname = k.name
$fn$;
COMMENT ON FUNCTION lifecycle._key_condition(regclass, name[], text, text[]) IS
'The condition that the key of a row, alias t, stands in this relation (>, <=) to a key given as text; true for NULL.';

CREATE FUNCTION lifecycle._is_range_key(relation regclass, key_columns name[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT bool_and(t.typnamespace = 'pg_catalog'::regnamespace OR t.typtype = 'e')
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = lifecycle._base_type(a.atttypid, -1)::regtype
    WHERE a.attrelid = relation AND a.attname = ANY (key_columns)
$fn$;
COMMENT ON FUNCTION lifecycle._is_range_key(regclass, name[]) IS
'Whether a table can be read in ranges of these columns: types of pg_catalog, and enums.';

-- The end of a range is found first, by a snapshot of its own; rows that come and go meanwhile have their entries in
-- the queue. Under row_security = off a policy that would hide rows raises 42501 instead.
CREATE FUNCTION lifecycle._range_end(
    source regclass, key_columns name[], after text[], max_rows integer, predicate text DEFAULT 'true'
) RETURNS text[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET row_security = off SET extra_float_digits = 1 SET datestyle = iso SET intervalstyle = iso_8601 AS $fn$
DECLARE
    v_end text[];
BEGIN
    EXECUTE format('SELECT ARRAY[%s] FROM %s AS t WHERE %s AND (%s) ORDER BY %s OFFSET %s LIMIT 1',
        (SELECT string_agg(format('t.%I::text', k.name), ', ' ORDER BY k.place)
         FROM unnest(key_columns) WITH ORDINALITY AS k (name, place)),
        source, lifecycle._key_condition(source, key_columns, '>', after), predicate,
        lifecycle._column_list(key_columns, 't.'), max_rows - 1) INTO v_end;
    RETURN v_end;
END
$fn$;
COMMENT ON FUNCTION lifecycle._range_end(regclass, name[], text[], integer, text) IS
'The key of the last of the next so many rows behind a key (NULL: from the beginning); NULL when fewer are left.';
