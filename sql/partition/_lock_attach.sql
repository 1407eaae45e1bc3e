-- ATTACH takes SHARE UPDATE EXCLUSIVE on the parent, which hinders no reader or writer; SHARE ROW EXCLUSIVE at the
-- other end of each foreign key; ACCESS EXCLUSIVE on a default partition, where it looks for rows of the new range.
CREATE FUNCTION lifecycle._lock_attach(parent regclass, dry_run boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_relations regclass[];
    v_modes text[];
    v_holders text;
    v_attempts constant integer := lifecycle.setting('lock_attempts')::integer;
BEGIN
    IF dry_run THEN
        RETURN;
    END IF;
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._lock_target(parent);
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
    FOR v_attempt IN 1..v_attempts LOOP
        BEGIN
            PERFORM lifecycle._lock_once(v_relations, v_modes, ARRAY(SELECT r = parent FROM unnest(v_relations) AS r));
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            v_holders := lifecycle._lock_holders(v_relations::oid[]);
        END;
        IF v_attempt < v_attempts THEN
            PERFORM lifecycle._pause();
        END IF;
    END LOOP;
    RAISE EXCEPTION USING
        ERRCODE = 'lock_not_available',
        MESSAGE = format('could not lock %s in %s tries', array_to_string(v_relations, ', '), v_attempts),
        DETAIL = coalesce(v_holders, 'Its holder has gone by now.'),
        HINT = 'Nothing was changed. End the long transaction, or raise lifecycle.lock_attempts, and try again.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_attach(regclass, boolean) IS
'Takes the locks of an ATTACH PARTITION with retries; does nothing in a dry run. Raises 55P03 naming table and holder.';
