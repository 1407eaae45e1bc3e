-- A row says which function lifecycle.sync_capture attaches to a table: only who has the rights of the table's owner
-- may write it. What is gone belongs to nobody.
CREATE FUNCTION lifecycle._may_capture(source_oid oid, source text, origin text) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(bool_and(pg_has_role(current_user, c.relowner, 'USAGE')), true)
    FROM pg_class AS c
    WHERE c.oid = CASE
        WHEN _may_capture.origin = lifecycle._origin() THEN _may_capture.source_oid
        ELSE lifecycle._named_relation(_may_capture.source)
    END
$fn$;
COMMENT ON FUNCTION lifecycle._may_capture(oid, text, text) IS
'Whether the caller has the rights of the owner of a captured table.';

CREATE POLICY capture_read ON lifecycle.capture FOR SELECT USING (true);
CREATE POLICY capture_write ON lifecycle.capture FOR INSERT
WITH CHECK (started_by = current_user AND lifecycle._may_capture(source_oid, source, origin));
CREATE POLICY capture_change ON lifecycle.capture FOR UPDATE
USING (lifecycle._may_capture(source_oid, source, origin))
WITH CHECK (lifecycle._may_capture(source_oid, source, origin));
CREATE POLICY capture_remove ON lifecycle.capture FOR DELETE
USING (lifecycle._may_capture(source_oid, source, origin));
