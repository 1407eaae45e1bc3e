-- The one statement that brings some keys, or all, in line with the query: readers see it whole or not at all, and rows
-- that stay as they are are not written.
CREATE FUNCTION lifecycle._key_match(
    key_columns name[], equalities text[], one text, other text, null_safe boolean, numbered boolean
) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        SELECT string_agg(CASE WHEN null_safe
            THEN format('(%1$s %2$s %3$s OR %1$s IS NULL AND %3$s IS NULL)', w.mine, e.equality, w.theirs)
            ELSE format('%s %s %s', w.mine, e.equality, w.theirs) END, ' AND ' ORDER BY e.place)
        FROM unnest(key_columns, equalities) WITH ORDINALITY AS e (name, equality, place)
        CROSS JOIN LATERAL (SELECT format('%s.%I', one, e.name) AS mine,
            CASE WHEN numbered THEN format('%s.k%s', other, e.place) ELSE format('%s.%I', other, e.name) END AS theirs
        ) AS w
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._key_match(name[], text[], text, text, boolean, boolean) IS
'The condition that two rows have the same key; the other side has the columns of the key, or numbered ones.';

-- A single column goes down to the indexes as "= ANY (array)"; several go one key at a time, OFFSET 0 keeping the
-- planner from turning the loop into a join that would compute every key. A join to a list of keys is not pushed down.
CREATE FUNCTION lifecycle._recompute(parts lifecycle.merge_parts, lists text[], has_nulls boolean) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
    RETURN (
        WITH part AS (
            SELECT (SELECT string_agg(format('q.%I', c), ', ' ORDER BY u.place)
                    FROM unnest(parts.columns) WITH ORDINALITY AS u (c, place)) AS columns,
                (SELECT string_agg(format('x.%I', c), ', ' ORDER BY u.place)
                    FROM unnest(parts.columns) WITH ORDINALITY AS u (c, place)) AS outer_columns,
                (SELECT string_agg(format('q.%I IS NULL', k), ' OR ') FROM unnest(parts.key_columns) AS k) AS null_key,
                (SELECT string_agg(format('c.k%s IS NULL', g), ' OR ')
                    FROM generate_series(1, cardinality(parts.key_columns)) AS g) AS null_changed
        )
        SELECT CASE
            WHEN lists IS NULL THEN format('SELECT %s FROM %s AS q', p.columns, parts.query_view)
            WHEN cardinality(lists) = 1 THEN
                format('SELECT %s FROM %s AS q WHERE q.%I %s ANY (%s)', p.columns, parts.query_view,
                    parts.key_columns[1], parts.equalities[1], lists[1])
                || CASE WHEN has_nulls THEN format(' UNION ALL SELECT %s FROM %s AS q WHERE %s', p.columns,
                    parts.query_view, p.null_key) ELSE '' END
            ELSE
                format('SELECT %s FROM changed AS c CROSS JOIN LATERAL (SELECT * FROM %s AS q WHERE %s OFFSET 0) AS x',
                    p.outer_columns, parts.query_view,
                    lifecycle._key_match(parts.key_columns, parts.equalities, 'q', 'c', false, true))
                || CASE WHEN has_nulls THEN format(
                    ' UNION ALL SELECT %s FROM (SELECT * FROM changed AS c WHERE %s) AS c CROSS JOIN LATERAL ('
                    'SELECT * FROM %s AS q WHERE %s OFFSET 0) AS x', p.outer_columns,
                    p.null_changed, parts.query_view,
                    lifecycle._key_match(parts.key_columns, parts.equalities, 'q', 'c', true, true)) ELSE '' END
        END
        FROM part AS p
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._recompute(lifecycle.merge_parts, text[], boolean) IS
'The SELECT that computes some keys of an incremental view, or all.';

CREATE FUNCTION lifecycle._merge_parts(view lifecycle.located_incremental) RETURNS lifecycle.merge_parts
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    v_parts lifecycle.merge_parts;
BEGIN
    v_parts.target := view.target::text;
    v_parts.query_view := view.query_view::text;
    v_parts.columns := view.columns;
    v_parts.key_columns := view.key_columns;
    SELECT array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY k.place),
        array_agg(lifecycle._equality(a.atttypid) ORDER BY k.place)
    INTO v_parts.key_types, v_parts.equalities
    FROM unnest(view.key_columns) WITH ORDINALITY AS k (name, place)
    JOIN pg_attribute AS a ON a.attrelid = view.query_view AND a.attname = k.name;
    RETURN v_parts;
END
$fn$;
COMMENT ON FUNCTION lifecycle._merge_parts(lifecycle.located_incremental) IS
'What the statements of an incremental view are put together from.';

-- Where every key has a row, no row has to go: the table is not asked. Two rows of one key are counted before anything
-- is written, and then nothing is.
CREATE FUNCTION lifecycle._merge_statement(parts lifecycle.merge_parts, lists text[], has_nulls boolean)
RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
DECLARE
    v_key constant name[] := parts.key_columns;
    v_columns text;
    v_old text;
    v_new text;
    v_some_null text;
    v_changed text := '';
    v_delete text;
BEGIN
    v_some_null := (SELECT string_agg(format('t.%I IS NULL', k), ' OR ') FROM unnest(v_key) AS k);
    SELECT string_agg(quote_ident(c), ', ' ORDER BY u.place), string_agg(format('t.%I', c), ', ' ORDER BY u.place),
        string_agg(format('excluded.%I', c), ', ' ORDER BY u.place)
    INTO v_columns, v_old, v_new
    FROM unnest(parts.columns) WITH ORDINALITY AS u (c, place);
    IF cardinality(lists) > 1 OR has_nulls AND lists IS NOT NULL THEN
        v_changed := format('changed (%s) AS (SELECT * FROM ROWS FROM (%s)), ',
            (SELECT string_agg('k' || g, ', ' ORDER BY g) FROM generate_series(1, cardinality(v_key)) AS g),
            (SELECT string_agg(format('pg_catalog.unnest(%s)', l), ', ' ORDER BY u.place)
             FROM unnest(lists) WITH ORDINALITY AS u (l, place)));
    END IF;
    v_delete := CASE
        WHEN lists IS NULL THEN format('WHERE NOT (%s)', v_some_null)
        WHEN cardinality(v_key) = 1 THEN format('WHERE t.%I %s ANY (%s)', v_key[1], parts.equalities[1], lists[1])
        ELSE format('USING changed AS c WHERE %s', lifecycle._key_match(v_key, parts.equalities, 't', 'c', false, true))
    END || CASE WHEN lists IS NULL OR has_nulls THEN '' ELSE format(' AND (SELECT pg_catalog.count(*) FROM recomputed) '
        'OPERATOR(pg_catalog.<) pg_catalog.cardinality(%s)', lists[1]) END;
    RETURN format('WITH %1$srecomputed AS MATERIALIZED (%2$s), twice AS MATERIALIZED (SELECT pg_catalog.count(*) AS n '
        'FROM (SELECT FROM recomputed GROUP BY %8$s HAVING pg_catalog.count(*) OPERATOR(pg_catalog.>) 1) AS d), '
        'deleted AS (DELETE FROM %3$s AS t %4$s AND NOT EXISTS (SELECT FROM recomputed AS n WHERE %5$s) RETURNING 1), '
        '%6$swritten AS (INSERT INTO %3$s AS t (%7$s) SELECT %7$s FROM recomputed '
        'WHERE (SELECT w.n FROM twice AS w) OPERATOR(pg_catalog.=) 0 ON CONFLICT (%8$s) '
        'DO UPDATE SET (%7$s) = ROW(%9$s) WHERE ROW(%10$s)::pg_catalog.record OPERATOR(pg_catalog.*<>) '
        'ROW(%9$s)::pg_catalog.record RETURNING t.xmax OPERATOR(pg_catalog.=) %11$L::pg_catalog.xid AS is_new) '
        'SELECT (SELECT pg_catalog.count(*) FROM written WHERE is_new), '
        '(SELECT pg_catalog.count(*) FROM written WHERE NOT is_new), (SELECT pg_catalog.count(*) FROM deleted)%12$s, '
        '(SELECT w.n FROM twice AS w)',
        v_changed, lifecycle._recompute(parts, lists, has_nulls), parts.target, v_delete,
        lifecycle._key_match(v_key, parts.equalities, 'n', 't', false, false),
        CASE WHEN has_nulls THEN format('unknown AS (DELETE FROM %s AS t WHERE (%s) AND NOT EXISTS (SELECT FROM '
            'recomputed AS n WHERE %s)%s RETURNING 1), ', parts.target, v_some_null,
            lifecycle._key_match(v_key, parts.equalities, 'n', 't', true, false),
            CASE WHEN lists IS NOT NULL THEN format(' AND EXISTS (SELECT FROM changed AS c WHERE %s)',
                lifecycle._key_match(v_key, parts.equalities, 't', 'c', true, true)) ELSE '' END) ELSE '' END,
        v_columns, (SELECT string_agg(quote_ident(k), ', ' ORDER BY place)
            FROM unnest(v_key) WITH ORDINALITY AS u (k, place)),
        v_new, v_old, '0',
        CASE WHEN has_nulls THEN ' OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM unknown)' ELSE '' END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._merge_statement(lifecycle.merge_parts, text[], boolean) IS
'The statement that recomputes keys and merges them; returns how many rows were inserted, updated and deleted, and how
many keys had several rows (then nothing was written). lists: the keys, an array expression a key column; NULL: all.';
