-- Back into the old partitions, which still stand: emptied, filled from the new ones with all that was written since,
-- and attached again.
CREATE FUNCTION lifecycle._refill_partitions(
    sources text[], conditions text[], from_partitions text[], search_path text DEFAULT current_setting('search_path')
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET row_security = off AS $fn$
DECLARE
    v_rows bigint;
    v_filled bigint := 0;
BEGIN
    EXECUTE format('SELECT count(*) FROM (%s) AS r', (SELECT string_agg(format('SELECT FROM ONLY %s', p::regclass),
        ' UNION ALL ') FROM unnest(from_partitions) AS p)) INTO v_rows;
    FOR v_place IN 1..cardinality(sources) LOOP
        EXECUTE format('TRUNCATE ONLY %s', sources[v_place]::regclass);
        v_filled := v_filled + (
            SELECT sum(lifecycle._execute(format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %2$s FROM ONLY %s '
                'WHERE %s', sources[v_place]::regclass,
                lifecycle._column_list(lifecycle._copy_columns(p::regclass, sources[v_place]::regclass)), p::regclass,
                conditions[v_place]), _refill_partitions.search_path))
            FROM unnest(from_partitions) AS p);
    END LOOP;
    IF v_filled <> v_rows THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s of %s rows have no place in the old partitions', v_rows - v_filled, v_rows),
            DETAIL = format('The old partitions are %s.', array_to_string(sources, ', '));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refill_partitions(text[], text[], text[], text) IS
'Replaces the rows of old partitions by those of the new ones, each where its condition says; raises 55000 when a row
has no place.';

CREATE FUNCTION lifecycle._require_refillable(
    migration_id bigint, sources regclass[], from_partitions regclass[], options jsonb
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_found text;
    v_parent constant text := (SELECT m.target FROM lifecycle.migration AS m
        WHERE m.migration_id = _require_refillable.migration_id);
BEGIN
    v_found := (SELECT string_agg(s::text, ', ') FROM unnest(sources) AS s JOIN pg_class AS c ON c.oid = s
        WHERE c.relispartition);
    IF v_found IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s, replaced by migration %s, is a partition again', v_found, migration_id);
    ELSIF lifecycle._is_staged(from_partitions, coalesce((options ->> 'at_once')::boolean, false)) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the partitions made by migration %s are too large to be put back under a lock',
                migration_id),
            DETAIL = (SELECT format('They hold %s.', pg_size_pretty(sum(pg_table_size(p))))
                FROM unnest(from_partitions) AS p),
            HINT = format('Split or merge them with lifecycle.split_partition or merge_partitions, which does not lock '
                '%s, or choose options => ''{"at_once": true}''.', v_parent);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_refillable(bigint, regclass[], regclass[], jsonb) IS
'Raises 55000 when the old partitions of a rewrite cannot take the rows back.';

CREATE FUNCTION lifecycle._rollback_plan_partition_rewrite(
    migration_id bigint, plan lifecycle.plan_step[], options jsonb
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parameters constant jsonb := (SELECT m.parameters FROM lifecycle.migration AS m
        WHERE m.migration_id = _rollback_plan_partition_rewrite.migration_id);
    v_made constant text[] := ARRAY(SELECT substr(p.object, 7) FROM unnest(plan) AS p
        WHERE p.action = 'undo create partition' AND p.statement IS NOT NULL ORDER BY p.object);
    -- In the order in which they were detached, as the conditions are.
    v_sources constant text[] := ARRAY(SELECT substr(p.object, 7) FROM unnest(plan) WITH ORDINALITY
            AS p (step, stage, action, object, statement, inverse, top_level, note, place)
        WHERE p.action = 'undo detach partition' AND p.statement IS NOT NULL ORDER BY p.place DESC);
BEGIN
    IF NOT EXISTS (SELECT FROM lifecycle.migration_step AS s WHERE s.action = 'end rewrite' AND s.status = 'done'
        AND s.migration_id = _rollback_plan_partition_rewrite.migration_id)
    THEN
        -- The old partitions still hold everything.
        RETURN plan;
    ELSIF cardinality(v_sources) < jsonb_array_length(v_parameters -> 'conditions')
        OR cardinality(v_made) < (v_parameters ->> 'made')::integer
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('partitions that migration %s replaced or made have been dropped', migration_id),
            HINT = 'Their rows are where they are: use lifecycle.split_partition or lifecycle.merge_partitions.';
    END IF;
    PERFORM lifecycle._require_refillable(migration_id, v_sources::regclass[], v_made::regclass[], options);
    RETURN ARRAY(SELECT p FROM unnest(plan) AS p WHERE p.action IN ('undo attach partition', 'undo register partition'))
        || lifecycle._step('copy rows back', 'rows of ' || array_to_string(v_sources, ', '),
            format('SELECT lifecycle._refill_partitions(%L, %L, %L)', v_sources,
                ARRAY(SELECT jsonb_array_elements_text(v_parameters -> 'conditions')), v_made))
        || ARRAY(SELECT p FROM unnest(plan) AS p WHERE p.action = 'undo detach partition')
        || ARRAY(SELECT p FROM unnest(plan) AS p WHERE p.action IN ('undo release partition', 'undo create partition',
            'undo grant data schema usage'));
END
$fn$;
COMMENT ON FUNCTION lifecycle._rollback_plan_partition_rewrite(bigint, lifecycle.plan_step[], jsonb) IS
'The rollback of a split, a merge or a drained default partition: before the exchange what was made for it goes, after
it the rows move back, with all that was written since; raises 55000 where they cannot.';
