CREATE FUNCTION lifecycle._drop_old_set(
    parent regclass, partitions regclass[], marks xid[], before_drop regprocedure, dry_run boolean
) RETURNS SETOF lifecycle.set_plan LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_action constant text := 'drop old partition';
    v_retired lifecycle.retired_set := lifecycle._retire(parent, partitions, marks, v_action, true, dry_run);
    v_table regclass;
BEGIN
    IF before_drop IS NULL THEN
        RETURN NEXT lifecycle._drop_set(parent, v_retired.partitions, v_retired.failures, v_action, NULL, dry_run);
        RETURN;
    END IF;
    RETURN NEXT lifecycle._set_plan(parent, failures => v_retired.failures);
    FOREACH v_table IN ARRAY v_retired.partitions LOOP
        RETURN NEXT lifecycle._drop_set(parent, ARRAY[v_table], '{}', v_action, before_drop, dry_run);
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drop_old_set(regclass, regclass[], xid[], regprocedure, boolean) IS
'Locks a table and plans that some of its partitions are dropped; what cannot go is a failure, the others go.';

CREATE FUNCTION lifecycle.drop_old_partitions(
    months integer DEFAULT NULL,
    target regclass DEFAULT NULL,
    before_drop regprocedure DEFAULT NULL,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF months IS NOT NULL THEN
        PERFORM lifecycle._require_number('months', months, 1, 12000,
            'So many are kept; leave it out to go by the policies.');
    END IF;
    PERFORM lifecycle._require_hook(before_drop);
    PERFORM lifecycle._require_policy(target);
    RETURN QUERY SELECT * FROM lifecycle._apply_sets(ARRAY(
        SELECT s
        FROM lifecycle._old_sets(months, target, NULL, false) AS o
        CROSS JOIN LATERAL (
            SELECT lifecycle._set_plan(o.parent, lifecycle._left_over('drop old partition', o.parent, o.made)) AS s
            WHERE o.partitions = '{}'
            UNION ALL
            SELECT d FROM lifecycle._drop_old_set(o.parent, o.partitions, o.marks, before_drop, dry_run) AS d
            WHERE o.partitions <> '{}'
        ) AS p
        ORDER BY o.parent, o.partitions = '{}'), dry_run, expected_plan, drop_old_partitions.search_path,
        'partition_drop');
END
$fn$;
COMMENT ON FUNCTION lifecycle.drop_old_partitions(integer, regclass, regprocedure, boolean, text, text) IS
'Drops the partitions of managed tables that end before a point in time, by their real upper bound, without detaching
them first and without a grace period: for what nobody wants back. lifecycle.archive_old_partitions with
lifecycle.drop_archived_partitions leaves time to change one''s mind. The rows are lost: there is no rollback. All of
one table go in one statement; when that fails each is tried by itself, and what foreign keys refer to, or somebody
reads, stays as a row with status failed.

Arguments: months - how many months are kept, default what each policy says (retention), tables without one are left
alone; target - one managed table, default all of the caller; before_drop - a function of one argument of type regclass
that is called with each partition just before it is dropped, with the caller''s rights, in the same transaction: when
it raises an error, that one stays; dry_run - only show the plan, the default; expected_plan - plan_hash of the reviewed
dry run; search_path - for before_drop.
Returns: one row a statement (lifecycle.step_result); what could not be done is a row with status failed.
Errors: 22023 months, before_drop; 42883 no such function; 55000 target has no policy, or the plan is not the
reviewed one.
Example: SELECT object, statement, note FROM lifecycle.drop_old_partitions(12);';
