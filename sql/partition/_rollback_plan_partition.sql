-- The rows of a partition, or that nobody may count them: row security hides rows from whoever it applies to, and a
-- hidden row is lost as well as any other.
CREATE FUNCTION lifecycle._partition_rows(partition regclass) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_rows bigint;
BEGIN
    IF row_security_active(partition) THEN
        RETURN CASE WHEN pg_relation_size(partition) > 0 THEN 'rows, how many row security does not tell' END;
    END IF;
    EXECUTE format('SELECT count(*) FROM %s', partition) INTO v_rows;
    RETURN CASE WHEN v_rows > 0 THEN v_rows || CASE v_rows WHEN 1 THEN ' row' ELSE ' rows' END END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._partition_rows(regclass) IS 'How many rows a partition holds, in words; NULL when none.';

CREATE FUNCTION lifecycle._rollback_plan_partition(migration_id bigint, plan lifecycle.plan_step[], options jsonb)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_choice constant text := options ->> 'partition_rows';
    v_full constant jsonb := (
        SELECT coalesce(jsonb_object_agg(f.object, f.rows), '{}')
        FROM (
            SELECT p.object, lifecycle._partition_rows((lifecycle._address(p.object)).object_id) AS rows
            FROM unnest(plan) AS p
            WHERE p.action = 'undo create partition' AND p.statement IS NOT NULL
                -- What an earlier step of the rollback makes anew is empty.
                AND lifecycle._address(p.object) IS NOT NULL
        ) AS f
        WHERE f.rows IS NOT NULL
    );
BEGIN
    IF v_choice NOT IN ('keep', 'drop') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('option partition_rows must be keep or drop, not %s', v_choice);
    END IF;
    IF v_full <> '{}' AND v_choice IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('migration %s made partitions that hold rows by now', migration_id),
            DETAIL = (SELECT string_agg(format('%s: %s', f.key, f.value), '; ' ORDER BY f.key)
                FROM jsonb_each_text(v_full) AS f),
            HINT = 'Choose with options => ''{"partition_rows": "keep"}'' (these partitions stay) or "drop" (their rows'
                ' are lost).';
    END IF;
    RETURN ARRAY(
        SELECT CASE
            -- The partition, and what makes it known to a capture.
            WHEN v_full ? regexp_replace(p.object, '^capture partition', 'table') AND v_choice = 'keep' THEN
                lifecycle._step(p.action, p.object, NULL, note => format('stays, it holds %s',
                    v_full ->> regexp_replace(p.object, '^capture partition', 'table')))
            WHEN p.action = 'undo attach partition' AND p.statement IS NOT NULL AND NOT EXISTS (
                SELECT FROM pg_inherits AS i WHERE i.inhrelid = (lifecycle._address(p.object)).object_id
            ) THEN lifecycle._step(p.action, p.object, NULL, note => 'is detached already')
            WHEN v_full ? p.object AND p.action = 'undo create partition' THEN
                lifecycle._step(p.action, p.object, p.statement, p.inverse,
                    note => format('with %s', v_full ->> p.object))
            ELSE ROW(p.step, p.stage, p.action, p.object, p.statement, p.inverse, p.top_level, p.note)
                ::lifecycle.plan_step
        END
        FROM unnest(plan) WITH ORDINALITY AS p (step, stage, action, object, statement, inverse, top_level, note, place)
        ORDER BY p.place
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_plan_partition(bigint, lifecycle.plan_step[], jsonb) IS
'Keeps a rollback from dropping partitions that hold rows unless it was told to; raises 55000.';

CREATE FUNCTION lifecycle._rollback_plan_partitioned_table(
    migration_id bigint, plan lifecycle.plan_step[], options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_table constant text := (SELECT p.object FROM unnest(plan) AS p WHERE p.action = 'undo create table');
    v_rows constant text := lifecycle._partition_rows((lifecycle._address(v_table)).object_id);
BEGIN
    IF v_rows IS NULL OR options ->> 'partition_rows' = 'drop' THEN
        RETURN plan;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'object_not_in_prerequisite_state',
        MESSAGE = format('%s, made by migration %s, holds %s by now', v_table, migration_id, v_rows),
        HINT = 'Move them first, or choose with options => ''{"partition_rows": "drop"}'' that they are lost.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_plan_partitioned_table(bigint, lifecycle.plan_step[], jsonb) IS
'Keeps a rollback from dropping a partitioned table that holds rows unless it was told to; raises 55000.';
