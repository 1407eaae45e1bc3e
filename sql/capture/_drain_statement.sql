-- Arrays, not records, carry the keys: to write 50,000 records as text and to read them back takes most of a second.
-- Arrays of arrays, and unnest() of composites, would be something else: such keys travel as text.
CREATE FUNCTION lifecycle._drain_statement(queue regclass) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
    RETURN (
        SELECT format(
            'WITH taken AS (DELETE FROM %1$s AS q WHERE q.ctid = ANY (ARRAY('
            'SELECT o.ctid FROM %1$s AS o ORDER BY o.%2$I LIMIT $1)) RETURNING q.*), '
            'key AS (SELECT DISTINCT %4$s FROM taken AS t WHERE t.%3$I IS NULL ORDER BY %4$s) '
            'SELECT count(*), coalesce(bool_or(t.%3$I), false), '
            '(SELECT ARRAY[%5$s] FROM key AS k HAVING count(*) > 0) FROM taken AS t',
            queue,
            min(a.attname::text) FILTER (WHERE a.attnum = 1),
            min(a.attname::text) FILTER (WHERE a.attnum = 2),
            string_agg(format('t.%I', a.attname), ', ' ORDER BY a.attnum) FILTER (WHERE a.attnum > 2),
            string_agg(
                format('array_agg(k.%I%s)::text', a.attname,
                    CASE WHEN t.typcategory IN ('A', 'C') THEN '::text' ELSE '' END),
                ', ' ORDER BY a.attnum
            ) FILTER (WHERE a.attnum > 2)
        )
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = queue AND a.attnum > 0 AND NOT a.attisdropped
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._drain_statement(regclass) IS
'The statement that takes $1 entries out of a queue: their number, whether one means all rows, and the keys.';

CREATE FUNCTION lifecycle._drained_keys(queue regclass, keys text[]) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
    -- Literals, so that the planner counts them.
    RETURN (
        SELECT format('(SELECT %s FROM unnest(%s) AS u (%s)) AS k',
            string_agg(CASE WHEN t.typcategory IN ('A', 'C')
                THEN format('u.%1$I::%2$s AS %1$I', a.attname, format_type(a.atttypid, a.atttypmod))
                ELSE format('u.%I', a.attname) END, ', ' ORDER BY a.attnum),
            string_agg(format('%L::%s[]', keys[a.attnum - 2],
                CASE WHEN t.typcategory IN ('A', 'C') THEN 'text' ELSE format_type(a.atttypid, a.atttypmod) END),
                ', ' ORDER BY a.attnum),
            string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum))
        FROM pg_attribute AS a JOIN pg_type AS t ON t.oid = a.atttypid
        WHERE a.attrelid = queue AND a.attnum > 2 AND NOT a.attisdropped
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._drained_keys(regclass, text[]) IS
'Drained keys as text for FROM: a table k with the key columns. For one column, keys[1] with a cast does for = ANY.';
