-- Every table that an inverse may touch, before the plan is made: the targets, tables the migrations made, and the
-- other ends of their foreign keys, since dropping a key locks both.
CREATE FUNCTION lifecycle._rollback_lock(migration_ids bigint[], dry_run boolean) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_relations regclass[];
    v_neighbours regclass[];
BEGIN
    v_relations := ARRAY(
        SELECT DISTINCT c.oid::regclass
        FROM lifecycle.migration AS m
        LEFT JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id AND s.status = 'done'
        CROSS JOIN LATERAL (VALUES
            (CASE WHEN m.origin = lifecycle._origin() THEN m.target_oid ELSE to_regclass(m.target)::oid END),
            ((lifecycle._locate(s.object, s.address, m.origin)).object_id)
        ) AS r (relation)
        JOIN pg_class AS c ON c.oid = r.relation AND c.relkind IN ('r', 'p')
            AND pg_has_role(current_user, c.relowner, 'USAGE')
        WHERE m.migration_id = ANY (migration_ids)
    );
    v_neighbours := ARRAY(
        SELECT DISTINCT CASE WHEN k.conrelid = ANY (v_relations) THEN k.confrelid ELSE k.conrelid END::regclass
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND (k.conrelid = ANY (v_relations) OR k.confrelid = ANY (v_relations))
            AND EXISTS (
                SELECT FROM lifecycle.migration_step AS s
                WHERE s.migration_id = ANY (migration_ids) AND s.made
                    AND (s.address).object_id IN (k.oid, k.conrelid, k.confrelid)
            )
    );
    PERFORM lifecycle._lock(v_relations, 'ACCESS EXCLUSIVE', dry_run, v_neighbours, 'ACCESS EXCLUSIVE');
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_lock(bigint[], boolean) IS
'Takes the locks of a rollback; does nothing in a dry run.';
