CREATE FUNCTION lifecycle.drop_archived_partitions(
    target regclass DEFAULT NULL,
    older_than interval DEFAULT '7 days',
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_tables constant regclass[] := ARRAY(
        SELECT c.oid::regclass
        FROM lifecycle.migration AS m
        JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id
            AND s.action = 'detach partition' AND s.status = 'done'
        JOIN pg_class AS c ON c.oid = (s.address).object_id AND c.relkind IN ('r', 'p') AND NOT c.relispartition
        -- What the journal says of a table counts only from those who own it.
        JOIN pg_roles AS r ON r.rolname = m.applied_by AND pg_has_role(r.oid, c.relowner, 'USAGE')
        WHERE m.feature IN ('partition_archive', 'partition_rewrite') AND m.state = 'applied'
            AND m.origin = lifecycle._origin()
            AND s.run_at < now() - older_than AND (drop_archived_partitions.target IS NULL
                OR m.target_oid = drop_archived_partitions.target::oid)
            AND pg_has_role(current_user, c.relowner, 'USAGE')
        ORDER BY c.oid
    );
    v_plan lifecycle.plan_step[];
BEGIN
    IF older_than IS NULL OR older_than < interval '0' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'older_than must not be negative';
    END IF;
    IF cardinality(v_tables) > 0 THEN
        PERFORM lifecycle._lock(v_tables, 'ACCESS EXCLUSIVE', dry_run);
    END IF;
    v_plan := ARRAY(SELECT lifecycle._step('drop archived partition', 'table ' || t, format('DROP TABLE %s', t),
            note => format('%s; cannot be taken back', pg_size_pretty(pg_total_relation_size(t))))
        FROM unnest(v_tables) AS t);
    RETURN QUERY SELECT * FROM lifecycle._apply('partition_drop', coalesce(target, v_tables[1]), v_plan, dry_run,
        expected_plan, jsonb_build_object('older_than', older_than::text), drop_archived_partitions.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.drop_archived_partitions(regclass, interval, boolean, text, text) IS
'Drops the tables that lifecycle.archive_old_partitions or detach_partition detached, and those that split_partition,
merge_partitions and drain_default_partition replaced, when their grace period is over.
The rows are lost: there is no rollback.

Arguments: target - those of one partitioned table, default all of the caller; older_than - the grace period since they
were detached, default 7 days; dry_run - only show the plan, the default; expected_plan - plan_hash of the reviewed
dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result).
Errors: 22023 older_than; 2BP01 something depends on a table; 55P03 lock; 55000 the plan is not the reviewed one.
Example: SELECT object, note FROM lifecycle.drop_archived_partitions(older_than => ''30 days'');';
