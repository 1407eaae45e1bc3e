-- A row that says what is to be done to a table is written by who has the rights of its owner, and by nobody else: the
-- owner's next maintenance would do it. The column that says who wrote it is filled by its default alone: no grant has
-- it. What is gone belongs to nobody, so everybody may forget it; nobody may write of what does not exist yet, or the
-- next table of that name or oid would be his.
CREATE FUNCTION lifecycle._owns_recorded(
    recorded oid, name text, origin text, when_gone boolean DEFAULT true
) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(bool_and(pg_has_role(current_user, c.relowner, 'USAGE')), when_gone)
    FROM pg_class AS c
    WHERE c.oid = CASE
        WHEN _owns_recorded.origin = lifecycle._origin() THEN recorded
        ELSE lifecycle._named_relation(_owns_recorded.name)
    END
$fn$;
COMMENT ON FUNCTION lifecycle._owns_recorded(oid, text, text, boolean) IS
'Whether the caller has the rights of the owner of the relation that a row names, by oid in the database where it was
written, else by name; when_gone: the answer for what does not exist.';

CREATE FUNCTION lifecycle._owns_all(role_name name, relations oid[]) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT NOT EXISTS (
        SELECT FROM pg_class AS c
        WHERE c.oid = ANY (relations)
            AND pg_has_role(to_regrole(quote_ident(role_name))::oid, c.relowner, 'USAGE') IS NOT TRUE
    )
$fn$;
COMMENT ON FUNCTION lifecycle._owns_all(name, oid[]) IS
'Whether the role of that name has the rights of the owners of all these relations that stand.';
