-- Whoever comes after a session that waits for a strong lock waits for it as well, and then for what it does under the
-- lock: both together are to stay below lock_timeout. So the waiting gets half of it.
CREATE FUNCTION lifecycle._share_patience(lock_mode text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_before constant text := coalesce(current_setting('lifecycle.lock_timeout', true), '');
BEGIN
    IF lock_mode = 'ACCESS EXCLUSIVE' THEN
        PERFORM set_config('lifecycle.lock_timeout',
            greatest(1, lifecycle.setting('lock_timeout')::integer / 2)::text, true);
    END IF;
    RETURN v_before;
END
$fn$;
COMMENT ON FUNCTION lifecycle._share_patience(text) IS
'Halves lifecycle.lock_timeout for a strong lock; returns what it was, for set_config.';

-- What ATTACH and DETACH lock besides the parent and the partition: a default partition, whose constraint changes,
-- ACCESS EXCLUSIVE; the other end of each foreign key SHARE ROW EXCLUSIVE, of a partitioned neighbour the top alone.
CREATE FUNCTION lifecycle._lock_members(
    parent regclass, parent_mode text, partitions regclass[], dry_run boolean
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_relations regclass[];
    v_modes text[];
    v_patience constant text := lifecycle._share_patience(parent_mode);
BEGIN
    SELECT array_agg(l.relation ORDER BY l.relation), array_agg(l.mode ORDER BY l.relation) INTO v_relations, v_modes
    FROM (
        SELECT parent AS relation, parent_mode AS mode
        UNION
        SELECT m.relation::regclass, 'ACCESS EXCLUSIVE' FROM unnest(partitions) AS p (partition)
        JOIN pg_class AS c ON c.oid = p.partition
        CROSS JOIN LATERAL unnest(c.oid || CASE c.relkind WHEN 'p' THEN lifecycle._partitions(c.oid) ELSE '{}' END)
            AS m (relation)
        UNION
        SELECT p.partdefid::regclass, 'ACCESS EXCLUSIVE' FROM pg_partitioned_table AS p
        WHERE p.partrelid = parent AND p.partdefid <> 0
        UNION
        SELECT (CASE k.conrelid WHEN parent THEN k.confrelid ELSE k.conrelid END)::regclass, 'SHARE ROW EXCLUSIVE'
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND parent IN (k.conrelid, k.confrelid) AND k.conrelid <> k.confrelid
            AND NOT EXISTS (SELECT FROM pg_constraint AS u
                WHERE u.oid = k.conparentid AND parent IN (u.conrelid, u.confrelid))
    ) AS l;
    PERFORM lifecycle._lock_all(parent, v_relations, v_modes, ARRAY(
        SELECT r = parent OR r = ANY (partitions) FROM unnest(v_relations) AS r), dry_run);
    PERFORM set_config('lifecycle.lock_timeout', v_patience, true);
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_members(regclass, text, regclass[], boolean) IS
'Takes the locks that a change of the partitions of a table needs, with retries; does nothing in a dry run. Raises 55P03
naming table and holder.';

CREATE FUNCTION lifecycle._lock_attach(parent regclass, dry_run boolean) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._lock_members(parent, 'SHARE UPDATE EXCLUSIVE', '{}', dry_run)
$fn$;
COMMENT ON FUNCTION lifecycle._lock_attach(regclass, boolean) IS
'Takes the locks of an ATTACH PARTITION: the parent may go on being read and written.';

-- The siblings are not touched: a lock on all partitions would wait for every reader of any of them.
CREATE FUNCTION lifecycle._lock_detach(parent regclass, partitions regclass[], dry_run boolean) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._lock_members(parent, 'ACCESS EXCLUSIVE', partitions, dry_run)
$fn$;
COMMENT ON FUNCTION lifecycle._lock_detach(regclass, regclass[], boolean) IS
'Takes the locks of a plain DETACH PARTITION, or of a DROP, of some partitions.';
