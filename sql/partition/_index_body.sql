-- An index as it is written behind its name, with more key columns. The catalog prints single columns without operator
-- class, collation and order.
CREATE FUNCTION lifecycle._index_column(index oid, place integer) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT concat(pg_get_indexdef(index, place, false),
        ' COLLATE ' || (SELECT i.indcollation[place - 1]::regcollation
            WHERE i.indcollation[place - 1] NOT IN (0, k.collation)),
        ' ' || (SELECT format('%I.%I', n.nspname, o.opcname) FROM pg_opclass AS o
            JOIN pg_namespace AS n ON n.oid = o.opcnamespace
            WHERE o.oid = i.indclass[place - 1] AND NOT o.opcdefault)
            || coalesce((SELECT '(' || array_to_string(p.attoptions, ', ') || ')' FROM pg_attribute AS p
                WHERE p.attrelid = index AND p.attnum = place AND p.attoptions IS NOT NULL), ''),
        CASE i.indoption[place - 1] WHEN 1 THEN ' DESC NULLS LAST' WHEN 2 THEN ' NULLS FIRST' WHEN 3 THEN ' DESC' END)
    FROM pg_index AS i
    CROSS JOIN LATERAL (SELECT CASE i.indkey[place - 1] WHEN 0 THEN t.typcollation ELSE a.attcollation END AS collation
        FROM pg_attribute AS x JOIN pg_type AS t ON t.oid = x.atttypid
        LEFT JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[place - 1]
            AND i.indkey[place - 1] <> 0
        WHERE x.attrelid = index AND x.attnum = place) AS k
    WHERE i.indexrelid = index
$fn$;
COMMENT ON FUNCTION lifecycle._index_column(oid, integer) IS
'A key column of an index as it is written: expression, collation, operator class, order.';

CREATE FUNCTION lifecycle._index_columns(index oid, more name[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('(%s)', concat_ws(', ', (
            SELECT string_agg(lifecycle._index_column(index, n), ', ' ORDER BY n)
            FROM generate_series(1, i.indnkeyatts) AS n
        ), lifecycle._column_list(more)))
        || coalesce(' INCLUDE (' || (SELECT string_agg(pg_get_indexdef(index, n, false), ', ' ORDER BY n)
            FROM generate_series(i.indnkeyatts + 1, i.indnatts) AS n
            WHERE pg_get_indexdef(index, n, false) <> ALL (SELECT quote_ident(m) FROM unnest(more) AS m)) || ')', '')
    FROM pg_index AS i WHERE i.indexrelid = index
$fn$;
COMMENT ON FUNCTION lifecycle._index_columns(oid, name[]) IS
'The columns of an index with more key columns, and those that it includes.';

CREATE FUNCTION lifecycle._index_options(index oid) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(' WITH (' || (SELECT string_agg(format('%I = %L', o.option_name, o.option_value), ', ')
        FROM pg_options_to_table(c.reloptions) AS o) || ')', '')
    FROM pg_class AS c WHERE c.oid = index
$fn$;
COMMENT ON FUNCTION lifecycle._index_options(oid) IS 'The storage options of an index.';

CREATE FUNCTION lifecycle._index_body(index oid, more name[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT concat(m.amname, ' ', lifecycle._index_columns(index, more),
        CASE WHEN i.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' END, lifecycle._index_options(index),
        ' TABLESPACE ' || quote_ident(s.spcname), ' WHERE ' || pg_get_expr(i.indpred, i.indrelid))
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_am AS m ON m.oid = c.relam
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    WHERE i.indexrelid = index
$fn$;
COMMENT ON FUNCTION lifecycle._index_body(oid, name[]) IS 'What an index is on, as behind USING, with more columns.';

CREATE FUNCTION lifecycle._key_body(constraint_oid oid, more name[]) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT concat(CASE k.contype WHEN 'p' THEN 'PRIMARY KEY' ELSE 'UNIQUE' END,
        CASE WHEN i.indnullsnotdistinct THEN ' NULLS NOT DISTINCT' END, ' ', lifecycle._index_columns(k.conindid, more),
        lifecycle._index_options(k.conindid), ' USING INDEX TABLESPACE ' || quote_ident(s.spcname),
        CASE WHEN k.condeferrable THEN ' DEFERRABLE' END, CASE WHEN k.condeferred THEN ' INITIALLY DEFERRED' END)
    FROM pg_constraint AS k
    JOIN pg_index AS i ON i.indexrelid = k.conindid
    JOIN pg_class AS c ON c.oid = i.indexrelid
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    WHERE k.oid = constraint_oid
$fn$;
COMMENT ON FUNCTION lifecycle._key_body(oid, name[]) IS
'A primary key or unique constraint as behind ADD CONSTRAINT, with more columns.';
