-- By oid, which follows a rename and a conversion, in the database that wrote the row; by name in a restored one, where
-- the oid may be another table's.
CREATE FUNCTION lifecycle._deletion_relation(table_schema name, table_name name, table_oid oid, origin text)
RETURNS regclass LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT c.oid::regclass FROM pg_class AS c
    WHERE c.relkind IN ('r', 'p') AND c.oid = CASE
        WHEN origin = lifecycle._origin() THEN lifecycle._present_oid(table_oid)
        ELSE to_regclass(format('%I.%I', table_schema, table_name))
    END
$fn$;
COMMENT ON FUNCTION lifecycle._deletion_relation(name, name, oid, text) IS 'The table of a deletion today, or NULL.';
