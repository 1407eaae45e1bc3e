-- By oid, which follows a rename; by name in a restored database.
CREATE FUNCTION lifecycle._deletion_relation(table_schema name, table_name name, table_oid oid) RETURNS regclass
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(
        (SELECT c.oid::regclass FROM pg_class AS c WHERE c.oid = table_oid AND c.relkind IN ('r', 'p')),
        to_regclass(format('%I.%I', table_schema, table_name))
    )
$fn$;
COMMENT ON FUNCTION lifecycle._deletion_relation(name, name, oid) IS 'The table of a deletion today, or NULL.';
