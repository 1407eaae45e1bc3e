-- FOR VALUES IN ('a', 1, NULL): which partition holds a value is asked of the type, not of the spelling.
CREATE FUNCTION lifecycle._list_values(partition oid) RETURNS text[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC'
SET standard_conforming_strings = on AS $fn$
    SELECT array_agg(CASE WHEN v.found[1] IS NOT NULL THEN replace(v.found[1], '''''', '''')
        ELSE nullif(v.found[2], 'NULL') END ORDER BY v.place)
    FROM pg_class AS c
    CROSS JOIN LATERAL regexp_matches(substr(pg_get_expr(c.relpartbound, 0), 16),
        'B?''((?:[^'']|'''')*)''|([^,() '']+)', 'g') WITH ORDINALITY AS v (found, place)
    WHERE c.oid = partition AND pg_get_expr(c.relpartbound, 0) <> 'DEFAULT'
$fn$;
COMMENT ON FUNCTION lifecycle._list_values(oid) IS
'The values of a LIST partition as text; NULL of the default partition.';

CREATE FUNCTION lifecycle._list_partition(parent regclass, type text, value text) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_type constant regtype := type::regtype;
    v_found regclass;
BEGIN
    EXECUTE format('SELECT i.inhrelid FROM pg_inherits AS i '
        'CROSS JOIN LATERAL unnest(lifecycle._list_values(i.inhrelid)) AS v (value) '
        'WHERE i.inhparent = $1 AND (v.value::%1$s = $2::%1$s OR v.value IS NULL AND $2 IS NULL)', v_type)
    INTO v_found USING parent::oid, value;
    RETURN v_found;
END
$fn$;
COMMENT ON FUNCTION lifecycle._list_partition(regclass, text, text) IS
'The partition that holds a value of a LIST key, other than the default partition; NULL when there is none.';
