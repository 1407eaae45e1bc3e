-- The one statement that brings some keys, or all, in line with the query: readers see it whole or not at all, and rows
-- that stay as they are are not written. keys: an array literal a key column; NULL means every row.
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
CREATE FUNCTION lifecycle._recompute(
    view lifecycle.located_incremental, keys text[], types text[], equalities text[], has_nulls boolean
) RETURNS text LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
BEGIN
    RETURN (
        WITH part AS (
            SELECT (SELECT string_agg(format('q.%I', c), ', ' ORDER BY u.place)
                    FROM unnest(view.columns) WITH ORDINALITY AS u (c, place)) AS columns,
                (SELECT string_agg(format('x.%I', c), ', ' ORDER BY u.place)
                    FROM unnest(view.columns) WITH ORDINALITY AS u (c, place)) AS outer_columns,
                (SELECT string_agg(format('q.%I IS NULL', k), ' OR ') FROM unnest(view.key_columns) AS k) AS null_key,
                (SELECT string_agg(format('c.k%s IS NULL', g), ' OR ')
                    FROM generate_series(1, cardinality(view.key_columns)) AS g) AS null_changed
        )
        SELECT CASE
            WHEN keys IS NULL THEN format('SELECT %s FROM %s AS q', p.columns, view.query_view)
            WHEN cardinality(keys) = 1 THEN
                format('SELECT %s FROM %s AS q WHERE q.%I %s ANY (%L::%s[])', p.columns, view.query_view,
                    view.key_columns[1], equalities[1], keys[1], types[1])
                || CASE WHEN has_nulls THEN format(' UNION ALL SELECT %s FROM %s AS q WHERE %s', p.columns,
                    view.query_view, p.null_key) ELSE '' END
            ELSE
                format('SELECT %s FROM changed AS c CROSS JOIN LATERAL (SELECT * FROM %s AS q WHERE %s OFFSET 0) AS x',
                    p.outer_columns, view.query_view,
                    lifecycle._key_match(view.key_columns, equalities, 'q', 'c', false, true))
                || CASE WHEN has_nulls THEN format(
                    ' UNION ALL SELECT %s FROM (SELECT * FROM changed AS c WHERE %s) AS c CROSS JOIN LATERAL ('
                    'SELECT * FROM %s AS q WHERE %s OFFSET 0) AS x', p.outer_columns,
                    p.null_changed, view.query_view,
                    lifecycle._key_match(view.key_columns, equalities, 'q', 'c', true, true)) ELSE '' END
        END
        FROM part AS p
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._recompute(lifecycle.located_incremental, text[], text[], text[], boolean) IS
'The SELECT that computes some keys of an incremental view, or all.';

CREATE FUNCTION lifecycle._merge_statement(view lifecycle.located_incremental, keys text[], has_nulls boolean)
RETURNS text LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan
AS $fn$
DECLARE
    v_key constant name[] := view.key_columns;
    v_types text[];
    v_equalities text[];
    v_columns text;
    v_old text;
    v_new text;
    v_some_null text;
    v_changed text := '';
    v_delete text;
BEGIN
    SELECT array_agg(format_type(a.atttypid, a.atttypmod) ORDER BY k.place),
        array_agg(lifecycle._equality(a.atttypid) ORDER BY k.place),
        string_agg(format('t.%I IS NULL', k.name), ' OR ')
    INTO v_types, v_equalities, v_some_null
    FROM unnest(v_key) WITH ORDINALITY AS k (name, place)
    JOIN pg_attribute AS a ON a.attrelid = view.query_view AND a.attname = k.name;
    SELECT string_agg(quote_ident(c), ', ' ORDER BY u.place), string_agg(format('t.%I', c), ', ' ORDER BY u.place),
        string_agg(format('excluded.%I', c), ', ' ORDER BY u.place)
    INTO v_columns, v_old, v_new
    FROM unnest(view.columns) WITH ORDINALITY AS u (c, place);
    IF keys IS NOT NULL THEN
        v_changed := format('changed (%s) AS (SELECT * FROM ROWS FROM (%s)), ',
            (SELECT string_agg('k' || g, ', ' ORDER BY g) FROM generate_series(1, cardinality(v_key)) AS g),
            (SELECT string_agg(format('pg_catalog.unnest(%L::%s[])', k, t), ', ' ORDER BY place)
             FROM unnest(keys, v_types) WITH ORDINALITY AS u (k, t, place)));
    END IF;
    v_delete := CASE
        WHEN keys IS NULL THEN format('WHERE NOT (%s)', v_some_null)
        WHEN cardinality(v_key) = 1
            THEN format('WHERE t.%I %s ANY (%L::%s[])', v_key[1], v_equalities[1], keys[1], v_types[1])
        ELSE format('USING changed AS c WHERE %s', lifecycle._key_match(v_key, v_equalities, 't', 'c', false, true))
    END;
    RETURN format('WITH %1$srecomputed AS MATERIALIZED (%2$s), '
        'deleted AS (DELETE FROM %3$s AS t %4$s AND NOT EXISTS (SELECT FROM recomputed AS n WHERE %5$s) RETURNING 1), '
        '%6$swritten AS (INSERT INTO %3$s AS t (%7$s) SELECT %7$s FROM recomputed ON CONFLICT (%8$s) '
        'DO UPDATE SET (%7$s) = ROW(%9$s) WHERE ROW(%10$s)::pg_catalog.record OPERATOR(pg_catalog.*<>) '
        'ROW(%9$s)::pg_catalog.record RETURNING t.xmax OPERATOR(pg_catalog.=) %11$L::pg_catalog.xid AS is_new) '
        'SELECT (SELECT pg_catalog.count(*) FROM written WHERE is_new), '
        '(SELECT pg_catalog.count(*) FROM written WHERE NOT is_new), (SELECT pg_catalog.count(*) FROM deleted)%12$s, '
        '(SELECT pg_catalog.count(*) FROM (SELECT FROM recomputed GROUP BY %8$s HAVING pg_catalog.count(*) '
        'OPERATOR(pg_catalog.>) 1) AS d)',
        v_changed, lifecycle._recompute(view, keys, v_types, v_equalities, has_nulls), view.target, v_delete,
        lifecycle._key_match(v_key, v_equalities, 'n', 't', false, false),
        CASE WHEN has_nulls THEN format('unknown AS (DELETE FROM %s AS t WHERE (%s) AND NOT EXISTS (SELECT FROM '
            'recomputed AS n WHERE %s)%s RETURNING 1), ', view.target, v_some_null,
            lifecycle._key_match(v_key, v_equalities, 'n', 't', true, false),
            CASE WHEN keys IS NOT NULL THEN format(' AND EXISTS (SELECT FROM changed AS c WHERE %s)',
                lifecycle._key_match(v_key, v_equalities, 't', 'c', true, true)) ELSE '' END) ELSE '' END,
        v_columns, (SELECT string_agg(quote_ident(k), ', ' ORDER BY place)
            FROM unnest(v_key) WITH ORDINALITY AS u (k, place)),
        v_new, v_old, '0',
        CASE WHEN has_nulls THEN ' OPERATOR(pg_catalog.+) (SELECT pg_catalog.count(*) FROM unknown)' ELSE '' END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._merge_statement(lifecycle.located_incremental, text[], boolean) IS
'The statement that recomputes keys and merges them; returns how many rows were inserted, updated and deleted, and how
many keys had several rows.';
