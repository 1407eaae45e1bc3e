-- What the catalogs say of every tree at once; each finding with the statement that mends it.
CREATE FUNCTION lifecycle._partition_members(target regclass)
RETURNS TABLE (root oid, parent oid, relation oid, is_pending boolean) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    WITH RECURSIVE tree AS (
        SELECT c.oid AS root, NULL::oid AS parent, c.oid AS relation, false AS is_pending
        FROM pg_class AS c
        WHERE c.relkind = 'p' AND CASE WHEN target IS NULL THEN NOT c.relispartition ELSE c.oid = target::oid END
            AND NOT EXISTS (SELECT FROM pg_depend AS d
                WHERE d.classid = 'pg_class'::regclass AND d.objid = c.oid AND d.deptype = 'e')
        UNION ALL
        SELECT t.root, i.inhparent, i.inhrelid, i.inhdetachpending
        FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.relation
    )
    SELECT t.root, t.parent, t.relation, t.is_pending FROM tree AS t
$fn$;
COMMENT ON FUNCTION lifecycle._partition_members(regclass) IS 'Every partitioned table and partition, with its root.';
