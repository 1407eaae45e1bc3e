-- ATTACH takes SHARE UPDATE EXCLUSIVE on the parent, which hinders no reader or writer; SHARE ROW EXCLUSIVE at the
-- other end of each foreign key; ACCESS EXCLUSIVE on a default partition, where it looks for rows of the new range.
CREATE FUNCTION lifecycle._lock_attach(parent regclass, dry_run boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_relations regclass[];
    v_modes text[];
BEGIN
    SELECT array_agg(l.relation ORDER BY l.relation), array_agg(l.mode ORDER BY l.relation) INTO v_relations, v_modes
    FROM (
        SELECT parent AS relation, 'SHARE UPDATE EXCLUSIVE' AS mode
        UNION
        SELECT p.partdefid::regclass, 'ACCESS EXCLUSIVE' FROM pg_partitioned_table AS p
        WHERE p.partrelid = parent AND p.partdefid <> 0
        UNION
        SELECT (CASE k.conrelid WHEN parent THEN k.confrelid ELSE k.conrelid END)::regclass, 'SHARE ROW EXCLUSIVE'
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND parent IN (k.conrelid, k.confrelid) AND k.conrelid <> k.confrelid
            -- of a partitioned neighbour the top is locked, not each of its partitions
            AND NOT EXISTS (SELECT FROM pg_constraint AS u
                WHERE u.oid = k.conparentid AND parent IN (u.conrelid, u.confrelid))
    ) AS l;
    PERFORM lifecycle._lock_all(parent, v_relations, v_modes, ARRAY(SELECT r = parent FROM unnest(v_relations) AS r),
        dry_run);
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_attach(regclass, boolean) IS
'Takes the locks of an ATTACH PARTITION with retries; does nothing in a dry run. Raises 55P03 naming table and holder.';
