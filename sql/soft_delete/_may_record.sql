CREATE FUNCTION lifecycle._may_record(table_oid oid) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM pg_class AS c WHERE c.oid = table_oid AND pg_has_role(current_user, c.relowner, 'USAGE')
    )
$fn$;
COMMENT ON FUNCTION lifecycle._may_record(oid) IS 'Whether the caller owns the table, and so may record its deletions.';

CREATE FUNCTION lifecycle._may_forget(deletion_id bigint) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT EXISTS (
        SELECT FROM lifecycle.deletion AS d
        WHERE d.deletion_id = _may_forget.deletion_id
            AND lifecycle._may_record(lifecycle._deletion_relation(d.table_schema, d.table_name, d.table_oid, d.origin))
    )
$fn$;
COMMENT ON FUNCTION lifecycle._may_forget(bigint) IS 'Whether the caller owns the table that a deletion is of.';
