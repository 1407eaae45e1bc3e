CREATE FUNCTION lifecycle._owns_relation(relation oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM pg_class AS c WHERE c.oid = relation AND pg_has_role(current_user, c.relowner, 'USAGE')
    )
$fn$;
COMMENT ON FUNCTION lifecycle._owns_relation(oid) IS 'Whether the caller has the rights of the owner of a relation.';
