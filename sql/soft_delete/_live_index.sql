-- An index that counts live rows only in the place of a whole one. A small table is locked while it is built, and the
-- name stays; for a large one it is built CONCURRENTLY, under another name, before the whole one goes.
CREATE FUNCTION lifecycle._live_predicate(deleted_at name) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('(%I IS NULL)', deleted_at)
$fn$;
COMMENT ON FUNCTION lifecycle._live_predicate(name) IS 'The predicate of an index of live rows.';

CREATE FUNCTION lifecycle._counts_live_rows(index_oid oid, deleted_at name) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM pg_index AS i
        JOIN pg_depend AS d ON d.classid = 'pg_class'::regclass AND d.objid = i.indexrelid
            AND d.refclassid = 'pg_class'::regclass AND d.refobjid = i.indrelid
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = d.refobjsubid AND a.attname = deleted_at
        WHERE i.indexrelid = index_oid AND i.indpred IS NOT NULL
    ) OR EXISTS (
        -- The generated column of a live key.
        SELECT FROM pg_index AS i
        JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[]) AND a.attgenerated = 's'
        JOIN pg_attrdef AS g ON g.adrelid = a.attrelid AND g.adnum = a.attnum
        WHERE i.indexrelid = index_oid AND starts_with(
            ltrim(regexp_replace(pg_get_expr(g.adbin, g.adrelid), '\s+', ' ', 'g')),
            regexp_replace('CASE WHEN ' || lifecycle._live_predicate(deleted_at), '\s+', ' ', 'g'))
    )
$fn$;
COMMENT ON FUNCTION lifecycle._counts_live_rows(oid, name) IS
'Whether an index leaves deleted rows out, by its predicate or by a generated column.';

-- As PostgreSQL writes it, under another name, with a predicate more, for a whole partitioned table.
CREATE FUNCTION lifecycle._index_statement(index_oid oid, index_name name, predicate text, option text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('CREATE %sINDEX %s%I ON %s%s%s', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, option,
        index_name, i.indrelid::regclass, left(w.rest, length(w.rest) - length(w.own)),
        coalesce(' WHERE ' || nullif(concat_ws(' AND ', nullif(substr(w.own, 8), ''), predicate), ''), ''))
    FROM pg_index AS i
    JOIN pg_class AS x ON x.oid = i.indexrelid
    JOIN pg_class AS c ON c.oid = i.indrelid
    CROSS JOIN LATERAL (
        SELECT substr(pg_get_indexdef(i.indexrelid), 1 + length(format('CREATE %sINDEX %I ON %s%s',
                CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, x.relname,
                CASE WHEN x.relkind = 'I' THEN 'ONLY ' ELSE '' END, i.indrelid::regclass))) AS rest,
            coalesce(' WHERE ' || pg_get_expr(i.indpred, i.indrelid), '') AS own
    ) AS w
    WHERE i.indexrelid = index_oid
$fn$;
COMMENT ON FUNCTION lifecycle._index_statement(oid, name, text, text) IS
'The statement that makes an index like another one, with a predicate more.';

CREATE FUNCTION lifecycle._tree(relation oid, OUT member oid, OUT level integer) RETURNS SETOF record
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE m (oid, level) AS (
        SELECT relation, 0
        UNION ALL
        SELECT i.inhrelid, m.level + 1 FROM m JOIN pg_inherits AS i ON i.inhparent = m.oid
    )
    SELECT m.oid, m.level FROM m
$fn$;
COMMENT ON FUNCTION lifecycle._tree(oid) IS 'A table or an index, and those of its partitions; none is locked.';

-- The indexes of partitions first, under their own names: PostgreSQL attaches what fits when the root's is made.
CREATE FUNCTION lifecycle._index_inverse(index_oid oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(
        coalesce(
            lifecycle._ddl_constraint(k.oid),
            lifecycle._index_statement(p.member, c.relname, NULL, '') || lifecycle._ddl_index_properties(p.member)
        ), '; ' ORDER BY p.level DESC, c.relname)
    FROM lifecycle._tree(index_oid) AS p
    JOIN pg_class AS c ON c.oid = p.member
    LEFT JOIN pg_constraint AS k ON k.conindid = p.member AND k.contype IN ('u', 'x')
$fn$;
COMMENT ON FUNCTION lifecycle._index_inverse(oid) IS
'The statements that make an index or the constraint it belongs to as they stand, on a partitioned table with those of
its partitions.';

CREATE FUNCTION lifecycle._drop_index_step(index_oid oid, stage integer) RETURNS lifecycle.plan_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN k.oid IS NOT NULL THEN lifecycle._step('drop constraint',
            format('table constraint %I on %s', k.conname, i.indrelid::regclass),
            format('ALTER TABLE %s DROP CONSTRAINT %I', i.indrelid::regclass, k.conname),
            lifecycle._index_inverse(index_oid), stage)
        ELSE lifecycle._step('drop index', 'index ' || index_oid::regclass, 'DROP INDEX ' || index_oid::regclass,
            lifecycle._index_inverse(index_oid), stage)
        END
    FROM pg_index AS i
    LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid AND k.contype IN ('u', 'x')
    WHERE i.indexrelid = index_oid
$fn$;
COMMENT ON FUNCTION lifecycle._drop_index_step(oid, integer) IS
'The step that drops an index, or the constraint it belongs to.';

CREATE FUNCTION lifecycle._is_large(target regclass) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT c.relkind = 'r' AND pg_relation_size(target) > lifecycle.setting('large_table')::bigint * 1024 * 1024
    FROM pg_class AS c WHERE c.oid = target
$fn$;
COMMENT ON FUNCTION lifecycle._is_large(regclass) IS
'Whether a table is so large that its indexes are built CONCURRENTLY.';

CREATE FUNCTION lifecycle._live_index_steps(index_oid oid, deleted_at name) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_table constant regclass := (SELECT i.indrelid FROM pg_index AS i WHERE i.indexrelid = index_oid);
    v_large constant boolean := lifecycle._is_large(v_table);
    v_live constant text := lifecycle._live_predicate(deleted_at);
    v_schema name;
    v_name name;
    v_size text;
    v_new name;
BEGIN
    SELECT n.nspname, c.relname, pg_size_pretty(sum(pg_relation_size(p.member))) INTO v_schema, v_name, v_size
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    CROSS JOIN LATERAL lifecycle._tree(c.oid) AS p
    WHERE c.oid = index_oid GROUP BY n.nspname, c.relname;
    IF NOT v_large THEN
        RETURN ARRAY[
            lifecycle._drop_index_step(index_oid, 1),
            lifecycle._step('create index', format('index %I.%I', v_schema, v_name),
                lifecycle._index_statement(index_oid, v_name, v_live, ''),
                format('DROP INDEX %I.%I', v_schema, v_name),
                note => format('no rewrite; ACCESS EXCLUSIVE while it is built; at most %s, as the whole one', v_size))
        ];
    END IF;
    v_new := lifecycle._name(ARRAY[v_name::text], 'live');
    RETURN ARRAY[
        lifecycle._step('create index', format('index %I.%I', v_schema, v_new),
            lifecycle._index_statement(index_oid, v_new, v_live, 'CONCURRENTLY '),
            format('DROP INDEX %I.%I', v_schema, v_new), 2, true,
            format('no rewrite, no long lock: the whole one goes when it stands; at most %s', v_size)),
        lifecycle._drop_index_step(index_oid, 3)
    ];
END
$fn$;
COMMENT ON FUNCTION lifecycle._live_index_steps(oid, name) IS
'The steps that put an index of live rows in the place of a whole one.';
