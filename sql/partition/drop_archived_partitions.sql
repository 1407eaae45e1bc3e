CREATE FUNCTION lifecycle._archived_partitions(target regclass, older_than interval)
RETURNS TABLE (parent oid, relation regclass) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT DISTINCT coalesce(p.oid, c.oid), c.oid::regclass
    FROM (SELECT lifecycle._origin() AS origin OFFSET 0) AS database
    JOIN lifecycle.migration AS m ON m.origin = database.origin
    JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id
        AND s.action = 'detach partition' AND s.status = 'done'
    JOIN pg_class AS c ON c.oid = (s.address).object_id AND c.relkind IN ('r', 'p') AND NOT c.relispartition
    LEFT JOIN pg_class AS p ON p.oid = m.target_oid
    -- What the journal says of a table counts only from those who own it.
    JOIN pg_roles AS r ON r.rolname = m.applied_by AND pg_has_role(r.oid, c.relowner, 'USAGE')
    WHERE m.feature IN ('partition_archive', 'partition_rewrite') AND m.state = 'applied'
        AND s.run_at < now() - older_than
        AND (_archived_partitions.target IS NULL OR m.target_oid = _archived_partitions.target::oid)
        AND pg_has_role(current_user, c.relowner, 'USAGE')
    ORDER BY 1, 2
$fn$;
COMMENT ON FUNCTION lifecycle._archived_partitions(regclass, interval) IS
'What was detached through this extension, by an owner, longer ago than that, and is the caller''s to drop.';

-- One may be locked: then it alone stays.
CREATE FUNCTION lifecycle._drop_archived_set(
    parent regclass, tables regclass[], before_drop regprocedure, dry_run boolean
) RETURNS lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_action constant text := 'drop archived partition';
    v_retired lifecycle.retired_set := ROW(tables, ARRAY[]::lifecycle.step_result[]);
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    BEGIN
        PERFORM lifecycle._lock(tables, 'ACCESS EXCLUSIVE', dry_run);
    EXCEPTION
        WHEN lock_not_available THEN
            v_retired := lifecycle._lock_each(tables, v_action);
        WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL;
            v_retired := ROW(ARRAY[]::regclass[], ARRAY[lifecycle._failed_step(tables[1], v_sqlstate, v_message,
                v_detail, v_action)]);
    END;
    -- Who held a lock before may have attached it again.
    v_retired.partitions := ARRAY(SELECT t.relation FROM unnest(v_retired.partitions) WITH ORDINALITY
            AS t (relation, place)
        JOIN pg_class AS c ON c.oid = t.relation AND NOT c.relispartition ORDER BY t.place);
    RETURN lifecycle._drop_set(parent, v_retired.partitions, v_retired.failures, v_action, before_drop, dry_run);
END
$fn$;
COMMENT ON FUNCTION lifecycle._drop_archived_set(regclass, regclass[], regprocedure, boolean) IS
'Locks detached partitions and plans that they are dropped.';

CREATE FUNCTION lifecycle.drop_archived_partitions(
    target regclass DEFAULT NULL,
    older_than interval DEFAULT '7 days',
    before_drop regprocedure DEFAULT NULL,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_span('older_than', older_than, '1 minute');
    PERFORM lifecycle._require_hook(before_drop);
    RETURN QUERY SELECT * FROM lifecycle._apply_sets(ARRAY(
        SELECT lifecycle._drop_archived_set(b.parent, b.tables, before_drop, dry_run)
        FROM (
            SELECT a.parent, array_agg(a.relation ORDER BY a.place) AS tables, min(a.place) AS place
            FROM (
                SELECT f.*, row_number() OVER (ORDER BY f.parent, f.relation) AS place
                FROM lifecycle._archived_partitions(target, older_than) AS f
                ORDER BY f.parent, f.relation LIMIT lifecycle._changes_per_call()
            ) AS a
            GROUP BY a.parent, CASE WHEN before_drop IS NOT NULL THEN a.relation END
        ) AS b ORDER BY b.place
    ), dry_run, expected_plan, drop_archived_partitions.search_path, 'partition_drop');
END
$fn$;
COMMENT ON FUNCTION lifecycle.drop_archived_partitions(regclass, interval, regprocedure, boolean, text, text) IS
'Drops the tables that lifecycle.archive_old_partitions or detach_partition detached, and those that split_partition,
merge_partitions and drain_default_partition replaced, when their grace period is over.
The rows are lost: there is no rollback. One that cannot be dropped does not stop the others.

Arguments: target - those of one partitioned table, default all of the caller; older_than - the grace period since they
were detached, zero or at least a minute, default 7 days; before_drop - a function of one argument of type regclass that
is called with each table just before it is dropped, with the caller''s rights, in the same transaction: when it raises
an error, that table stays; dry_run - only show the plan, the default; expected_plan - plan_hash of the reviewed dry
run; search_path - for before_drop.
Returns: one row a step (lifecycle.step_result); what could not be done, as 2BP01 something depends on a table, 55P03
lock or what before_drop raised, is a row with status failed.
Errors: 22023 older_than, before_drop; 42883 no such function; 55000 the plan is not the reviewed one.
Example: SELECT object, note FROM lifecycle.drop_archived_partitions(older_than => ''30 days'');';
