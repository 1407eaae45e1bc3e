-- A materialized view cannot be altered into another query: it is made anew, and everything that hangs on it must come
-- along. as_name: under which name, while the old one still stands; columns: of those only.
CREATE FUNCTION lifecycle._ddl_column_settings(relation regclass, as_name text, columns name[] DEFAULT NULL)
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(string_agg(format('; ALTER MATERIALIZED VIEW %s ALTER COLUMN %I SET %s', as_name, a.attname,
        s.setting), '' ORDER BY a.attnum, s.place), '')
    FROM pg_attribute AS a
    JOIN pg_type AS t ON t.oid = a.atttypid
    CROSS JOIN LATERAL (VALUES
        (1, 'STATISTICS ' || CASE WHEN a.attstattarget >= 0 THEN a.attstattarget END),
        (2, 'STORAGE ' || CASE WHEN a.attstorage <> t.typstorage THEN CASE a.attstorage WHEN 'p' THEN 'PLAIN'
            WHEN 'e' THEN 'EXTERNAL' WHEN 'm' THEN 'MAIN' ELSE 'EXTENDED' END END),
        (3, 'COMPRESSION ' || CASE a.attcompression WHEN 'p' THEN 'pglz' WHEN 'l' THEN 'lz4' END),
        (4, '(' || array_to_string(a.attoptions, ', ') || ')')
    ) AS s (place, setting)
    WHERE a.attrelid = relation AND a.attnum > 0 AND NOT a.attisdropped AND s.setting IS NOT NULL
        AND (columns IS NULL OR a.attname = ANY (columns))
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_column_settings(regclass, text, name[]) IS
'Statements that give the columns of a materialized view their statistics targets, storage, compression and options.';

CREATE FUNCTION lifecycle._ddl_without_data(
    relation regclass, as_name text, definition text, columns name[] DEFAULT NULL
) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('CREATE MATERIALIZED VIEW %s USING %I%s%s AS %s WITH NO DATA', as_name, m.amname,
            ' WITH (' || nullif(concat_ws(', ', array_to_string(c.reloptions, ', '), (
                SELECT string_agg('toast.' || o, ', ') FROM pg_class AS x CROSS JOIN unnest(x.reloptions) AS o
                WHERE x.oid = c.reltoastrelid)), '') || ')',
            ' TABLESPACE ' || quote_ident(s.spcname), definition)
        || lifecycle._ddl_column_settings(relation, as_name, columns)
        -- The query is run with the rights of the owner, from the first time on.
        || format('; ALTER MATERIALIZED VIEW %s OWNER TO %I', as_name, pg_get_userbyid(c.relowner))
    FROM pg_class AS c
    JOIN pg_am AS m ON m.oid = c.relam
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_without_data(regclass, text, text, name[]) IS
'Statements that make an empty materialized view like this one, with another name or query.';

-- The catalog prints a whole statement; the names at its beginning and end are known to the letter.
CREATE FUNCTION lifecycle._ddl_index_beside(index regclass, as_name name, as_table text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('CREATE %sINDEX %I ON %s%s', k.is_unique, as_name, as_table, substr(pg_get_indexdef(index),
            length(format('CREATE %sINDEX %I ON %s', k.is_unique, c.relname, i.indrelid::regclass)) + 1))
        || coalesce(format('; ALTER INDEX %I.%I SET TABLESPACE ', n.nspname, as_name) || quote_ident(s.spcname), '')
        || coalesce((SELECT string_agg(format('; ALTER INDEX %I.%I ALTER COLUMN %s SET STATISTICS %s', n.nspname,
                as_name, a.attnum, a.attstattarget), '' ORDER BY a.attnum)
            FROM pg_attribute AS a WHERE a.attrelid = index AND a.attstattarget >= 0), '')
    FROM pg_index AS i
    JOIN pg_class AS c ON c.oid = i.indexrelid
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    LEFT JOIN pg_tablespace AS s ON s.oid = c.reltablespace
    CROSS JOIN LATERAL (SELECT CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END AS is_unique) AS k
    WHERE i.indexrelid = index
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_index_beside(regclass, name, text) IS
'Statements that make the same index under another name on another relation.';

CREATE FUNCTION lifecycle._ddl_statistics(statistics oid, as_name name, as_table text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('CREATE STATISTICS %I.%I%s%s', n.nspname, as_name, substr(d.definition, v.head, length(d.definition)
            - length(x.stxrelid::regclass::text) - v.head + 1), as_table)
        || CASE WHEN x.stxstattarget >= 0
            THEN format('; ALTER STATISTICS %I.%I SET STATISTICS %s', n.nspname, as_name, x.stxstattarget) ELSE '' END
        || format('; ALTER STATISTICS %I.%I OWNER TO %I', n.nspname, as_name, pg_get_userbyid(x.stxowner))
        || coalesce(format('; COMMENT ON STATISTICS %I.%I IS ', n.nspname, as_name)
            || quote_literal(obj_description(x.oid, 'pg_statistic_ext')), '')
    FROM pg_statistic_ext AS x
    JOIN pg_namespace AS n ON n.oid = x.stxnamespace
    CROSS JOIN LATERAL (SELECT pg_get_statisticsobjdef(x.oid) AS definition) AS d
    CROSS JOIN LATERAL (SELECT length(format('CREATE STATISTICS %I.%I', n.nspname, x.stxname)) + 1 AS head) AS v
    WHERE x.oid = statistics
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_statistics(oid, name, text) IS
'Statements that make the same extended statistics under another name on another relation.';

CREATE FUNCTION lifecycle._beside(relation regclass) RETURNS name
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._name(ARRAY[c.relname::text], 'new') FROM pg_class AS c WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._beside(regclass) IS 'The name of what is built beside a relation, to take its place.';

CREATE FUNCTION lifecycle._ddl_beside(
    relation regclass, as_name text, definition text, columns name[] DEFAULT NULL
) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._ddl_without_data(relation, as_name, definition, columns)
        || coalesce((SELECT string_agg('; ' || lifecycle._ddl_index_beside(i.indexrelid,
                lifecycle._beside(i.indexrelid), as_name), '' ORDER BY i.indexrelid)
            FROM pg_index AS i WHERE i.indrelid = relation), '')
        || coalesce((SELECT string_agg('; ' || lifecycle._ddl_statistics(x.oid,
                lifecycle._name(ARRAY[x.stxname::text], 'new'), as_name), '' ORDER BY x.oid)
            FROM pg_statistic_ext AS x WHERE x.stxrelid = relation), '')
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_beside(regclass, text, text, name[]) IS
'Statements that make an empty materialized view with the indexes and statistics of this one beside it, to take its
place.';

-- What is said about a relation of its own name, once it stands with its indexes.
CREATE FUNCTION lifecycle._ddl_view_properties(relation regclass, columns name[] DEFAULT NULL) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._ddl_acl('TABLE', relation::text, c.relacl, c.relowner)
        || lifecycle._ddl_column_acl(relation, columns)
        || lifecycle._ddl_comments('materialized view ' || relation, columns)
        || coalesce((SELECT string_agg(lifecycle._ddl_index_properties(i.indexrelid), '' ORDER BY i.indexrelid)
            FROM pg_index AS i WHERE i.indrelid = relation), '')
    FROM pg_class AS c
    WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_view_properties(regclass, name[]) IS
'Statements that give a materialized view its grants and comments, and its indexes their properties.';

CREATE FUNCTION lifecycle._ddl_materialized_view(relation regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._ddl_without_data(relation, relation::text, rtrim(pg_get_viewdef(relation), '; '))
        || coalesce((SELECT string_agg('; ' || lifecycle._ddl_index_beside(i.indexrelid, x.relname, relation::text), ''
                ORDER BY i.indexrelid)
            FROM pg_index AS i JOIN pg_class AS x ON x.oid = i.indexrelid WHERE i.indrelid = relation), '')
        || coalesce((SELECT string_agg('; ' || lifecycle._ddl_statistics(x.oid, x.stxname, relation::text), ''
                ORDER BY x.oid)
            FROM pg_statistic_ext AS x WHERE x.stxrelid = relation), '')
        || lifecycle._ddl_view_properties(relation)
        || CASE WHEN c.relispopulated THEN format('; REFRESH MATERIALIZED VIEW %s', relation) ELSE '' END
    FROM pg_class AS c
    WHERE c.oid = relation
$fn$;
COMMENT ON FUNCTION lifecycle._ddl_materialized_view(regclass) IS
'Statements that make a materialized view as it stands, with indexes, statistics, options, owner, grants and comments,
and fill it when it holds data.';
