-- A row says which query writes which table: only who has the rights of the table's owner may write it.
CREATE FUNCTION lifecycle._may_maintain(target_oid oid, target text, origin text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(bool_and(pg_has_role(current_user, c.relowner, 'USAGE')), true)
    FROM pg_class AS c
    WHERE c.oid = CASE
        WHEN _may_maintain.origin = lifecycle._origin() THEN _may_maintain.target_oid
        ELSE to_regclass(_may_maintain.target)::oid
    END
$fn$;
COMMENT ON FUNCTION lifecycle._may_maintain(oid, text, text) IS
'Whether the caller has the rights of the owner of an incremental view; what is gone belongs to nobody.';
