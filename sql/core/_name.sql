-- Every generated name passes here: PostgreSQL cuts at 63 bytes, silently and in the middle of a suffix. A name that
-- is too long keeps its beginning and its suffix and gets eight digits of its own hash between them.
CREATE FUNCTION lifecycle._name(parts text[], suffix text DEFAULT '') RETURNS name
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_tail text := CASE WHEN suffix = '' THEN '' ELSE '_' || suffix END;
    v_name text := array_to_string(parts, '_');
    v_hash text;
BEGIN
    IF octet_length(v_name || v_tail) <= 63 THEN
        RETURN v_name || v_tail;
    END IF;
    v_hash := '_' || left(md5(v_name || v_tail), 8);
    -- left() counts characters; one character may be four bytes.
    WHILE octet_length(v_name || v_hash || v_tail) > 63 LOOP
        v_name := left(v_name, length(v_name) - 1);
    END LOOP;
    RETURN v_name || v_hash || v_tail;
END
$fn$;
COMMENT ON FUNCTION lifecycle._name(text[], text) IS
'A generated name of at most 63 bytes: the parts joined by an underscore, with a hash where they had to be cut.';

-- A relation that was renamed keeps the names of its indexes.
CREATE FUNCTION lifecycle._free_name(in_schema name, parts text[], suffix text) RETURNS name
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT n.candidate
    FROM generate_series(0, 1000) AS g (number)
    CROSS JOIN LATERAL (
        SELECT lifecycle._name(parts, suffix || coalesce(nullif(g.number, 0)::text, ''))
    ) AS n (candidate)
    WHERE NOT EXISTS (SELECT FROM pg_class AS c JOIN pg_namespace AS s ON s.oid = c.relnamespace
        WHERE s.nspname = in_schema AND c.relname = n.candidate)
    ORDER BY g.number
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._free_name(name, text[], text) IS
'The generated name that no relation of a schema has, with a number behind it where one has it.';
