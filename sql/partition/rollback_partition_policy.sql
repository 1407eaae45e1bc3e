CREATE FUNCTION lifecycle.rollback_partition_policy(
    target regclass,
    partition_rows text DEFAULT 'keep',
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_ids bigint[];
BEGIN
    PERFORM lifecycle._require_table(target);
    PERFORM lifecycle._require_owner(target);
    v_ids := ARRAY(
        SELECT DISTINCT o.id FROM pg_class AS c
        CROSS JOIN LATERAL unnest(lifecycle._open_migrations('partition', c.oid)) AS o (id)
        WHERE c.oid = target OR c.oid = ANY (lifecycle._partitions(target)) AND c.relkind = 'p'
    );
    IF cardinality(v_ids) = 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no policy, and no partition was made for it', target),
            DETAIL = 'What other tools have made is not taken back; what was made here may have been rolled back.',
            HINT = 'SELECT * FROM lifecycle.migration_history WHERE feature = ''partition'' lists the changes.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._rollback(v_ids, dry_run, expected_plan, false,
        jsonb_build_object('partition_rows', partition_rows), rollback_partition_policy.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_partition_policy(regclass, text, boolean, text, text) IS
'Takes back what was made to keep a table ahead: its policy, and the partitions made by this extension that hold no
rows. Those with rows stay, and the plan says so; partitions made by others are not touched.

Arguments: target - the managed table; partition_rows - keep (default) or drop, for partitions that hold rows; dry_run -
only show the plan, the default; expected_plan - plan_hash of the reviewed dry run; search_path - for the inverses,
default the one that each change was made with.
Returns: one row a step (lifecycle.step_result).
Errors: 22023 partition_rows; 42809 not a table; 42501 not the owner; 2BP01 other changes rest on a partition;
55000 there is nothing to take back, or the plan changed.
Example: SELECT status, object, note FROM lifecycle.rollback_partition_policy(''public.metric'', dry_run => false);';
