-- By name, but without asking whether the caller may look into the schema: a status is for everybody.
CREATE FUNCTION lifecycle._named_relation(relation_name text) RETURNS oid
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        SELECT c.oid FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE (n.nspname, c.relname) = ((parse_ident(relation_name))[1], (parse_ident(relation_name))[2])
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._named_relation(text) IS 'The relation of a qualified name, or NULL.';
