-- A row that says what is to be done to a table is written by who has the rights of its owner, and by nobody else: the
-- owner's next maintenance would do it. The column that says who wrote it is filled by its default alone: no grant has
-- it.
CREATE FUNCTION lifecycle._owns_recorded(recorded oid, name text, origin text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(bool_and(pg_has_role(current_user, c.relowner, 'USAGE')), true)
    FROM pg_class AS c
    WHERE c.oid = CASE
        WHEN _owns_recorded.origin = lifecycle._origin() THEN recorded
        ELSE lifecycle._named_relation(_owns_recorded.name)
    END
$fn$;
COMMENT ON FUNCTION lifecycle._owns_recorded(oid, text, text) IS
'Whether the caller has the rights of the owner of the relation that a row names, by oid in the database where it was
written, else by name; what is gone belongs to nobody.';
