CREATE FUNCTION lifecycle._may_forget(deletion_id bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM lifecycle.deletion AS d
        WHERE d.deletion_id = _may_forget.deletion_id
            AND lifecycle._owns_relation(
                lifecycle._deletion_relation(d.table_schema, d.table_name, d.table_oid, d.origin))
    )
$fn$;
COMMENT ON FUNCTION lifecycle._may_forget(bigint) IS 'Whether the caller owns the table that a deletion is of.';
