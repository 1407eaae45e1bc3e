-- Which partitions the rows of a default partition ask for: the period of its lowest row, then that of the lowest row
-- beyond, and so on. A row makes its own period only, and what lies beyond the horizon none.
CREATE FUNCTION lifecycle._next_period(
    parent regclass, key lifecycle.range_key, every text, time_zone text, anchor numeric, place numeric
) RETURNS lifecycle.range_ends LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_period lifecycle.range_ends;
    v_before lifecycle.range_partition;
    v_after lifecycle.range_partition;
BEGIN
    SELECT p.* INTO v_period FROM lifecycle._periods(key.type, every, _next_period.time_zone, anchor, place, 0) AS p;
    -- As far as others leave room.
    SELECT p.* INTO v_before FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
        WHERE p.upper_place <= place ORDER BY p.upper_place DESC LIMIT 1;
    SELECT p.* INTO v_after FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
        WHERE p.lower_place > place ORDER BY p.lower_place LIMIT 1;
    RETURN ROW(CASE WHEN v_before.upper_place > (v_period.lower_end).place
            THEN lifecycle._range_bound(key.type, v_before.upper_bound, 'UTC') ELSE v_period.lower_end END,
        CASE WHEN v_after.lower_place < (v_period.upper_end).place
            THEN lifecycle._range_bound(key.type, v_after.lower_bound, 'UTC') ELSE v_period.upper_end END)
        ::lifecycle.range_ends;
END
$fn$;
COMMENT ON FUNCTION lifecycle._next_period(
    regclass, lifecycle.range_key, text, text, numeric, numeric
) IS 'The period that holds a place, as far as no partition holds it.';

CREATE FUNCTION lifecycle._key_place(key_type regtype, value text) RETURNS numeric
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT (lifecycle._range_bound(key_type, value, 'UTC')).place
$fn$;
COMMENT ON FUNCTION lifecycle._key_place(regtype, text) IS 'Where a value of a key lies among the bounds.';

CREATE FUNCTION lifecycle._drain_ranges(
    parent regclass, key lifecycle.range_key, max_creations integer
) RETURNS lifecycle.range_ends[] LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_default constant regclass := (SELECT p.partdefid::regclass FROM pg_partitioned_table AS p
        WHERE p.partrelid = parent);
    v_policy constant lifecycle.partition_policy := (SELECT p.policy FROM lifecycle._policy_of(parent) AS p);
    v_level constant jsonb := (SELECT p.levels[1] FROM lifecycle._policy_of(parent) AS p);
    v_zone constant text := coalesce(v_policy.time_zone, lifecycle._set_zone(parent));
    v_every constant text := coalesce(v_level ->> 'every', lifecycle._set_span(parent, key, v_zone));
    v_anchor constant numeric := (SELECT max(p.upper_place) FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
        WHERE p.upper_place < 'Infinity');
    v_horizon numeric;
    v_value text;
    v_from text := '-infinity';
    v_range lifecycle.range_ends;
    v_ranges lifecycle.range_ends[] := ARRAY[]::lifecycle.range_ends[];
BEGIN
    IF v_every IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('how much a partition of %s holds is not known', parent),
            HINT = 'lifecycle.manage_partitions() says it.';
    END IF;
    SELECT max((p.upper_end).place) INTO v_horizon
    FROM lifecycle._periods(key.type, v_every, v_zone, v_anchor, lifecycle._place_now(NULL, parent,
        jsonb_build_object('column', key.column_name)), coalesce(v_policy.premake, 6)) AS p;
    LOOP
        EXECUTE format('SELECT min(d.%1$I)::text FROM ONLY %2$s AS d WHERE d.%1$I IS NOT NULL%3$s', key.column_name,
            v_default, CASE WHEN cardinality(v_ranges) > 0
                THEN format(' AND d.%I >= %s::%s', key.column_name, v_from, key.type) ELSE '' END) INTO v_value;
        EXIT WHEN v_value IS NULL OR v_value IN ('infinity', 'NaN') OR cardinality(v_ranges) >= max_creations;
        v_range := lifecycle._next_period(parent, key, v_every, v_zone, v_anchor,
            lifecycle._key_place(key.type, v_value));
        EXIT WHEN (v_range.upper_end).place > v_horizon AND lifecycle._level_type(parent, jsonb_build_object('column',
            key.column_name)) NOT IN ('int2', 'int4', 'int8', 'numeric');
        v_ranges := v_ranges || v_range;
        v_from := (v_range.upper_end).literal;
    END LOOP;
    RETURN v_ranges;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drain_ranges(regclass, lifecycle.range_key, integer) IS
'The ranges that rows of the default partition of a table ask for, up to the horizon, at most so many.';

CREATE FUNCTION lifecycle._drain_lists(parent regclass, max_creations integer) RETURNS jsonb
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
DECLARE
    v_default regclass;
    v_column name;
    v_groups jsonb;
BEGIN
    SELECT p.partdefid, a.attname INTO v_default, v_column
    FROM pg_partitioned_table AS p
    JOIN pg_attribute AS a ON a.attrelid = p.partrelid AND a.attnum = p.partattrs[0]
    WHERE p.partrelid = parent;
    EXECUTE format('SELECT jsonb_agg(jsonb_build_array(v.value) ORDER BY v.value) FROM (SELECT DISTINCT d.%I::text '
        'AS value FROM ONLY %s AS d ORDER BY 1 LIMIT $1) AS v', v_column, v_default) INTO v_groups
        USING max_creations;
    RETURN v_groups;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drain_lists(regclass, integer) IS
'The values in the default partition of a table by LIST, each in a group of its own, at most so many.';

CREATE FUNCTION lifecycle._drainable_default(parent regclass, max_creations integer) RETURNS regclass
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_default regclass;
BEGIN
    PERFORM lifecycle._require_table(parent, '{p}');
    PERFORM lifecycle._require_owner(parent);
    v_default := (SELECT nullif(p.partdefid, 0)::regclass FROM pg_partitioned_table AS p WHERE p.partrelid = parent);
    PERFORM lifecycle._require_number('max_creations', max_creations, 1);
    IF v_default IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no default partition', parent),
            HINT = 'There is nothing to drain: a row without a partition is refused, not put aside.';
    ELSIF (SELECT cardinality(p.levels) > 1 FROM lifecycle._policy_of(parent) AS p)
        OR EXISTS (SELECT FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhrelid
            WHERE i.inhparent = parent AND c.relkind = 'p')
    THEN
        RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
            MESSAGE = format('the partitions of %s are partitioned themselves', parent),
            HINT = 'Make the subtree with lifecycle.precreate_partitions once the default partition is empty of it.';
    END IF;
    RETURN v_default;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drainable_default(regclass, integer) IS
'The default partition of a table; raises 55000 or 0A000 when there is none, or none that can be drained.';

CREATE FUNCTION lifecycle._drain_default(
    parent regclass, max_creations integer, at_once boolean, dry_run boolean, search_path text
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_default constant regclass := lifecycle._drainable_default(parent, max_creations);
    v_is_staged constant boolean := lifecycle._is_staged(ARRAY[v_default], at_once);
    v_key lifecycle.range_key;
    v_ranges lifecycle.range_ends[];
    v_targets lifecycle.new_partition[];
BEGIN
    PERFORM lifecycle._require_rewritable(parent, ARRAY[v_default], v_is_staged);
    PERFORM lifecycle._lock_rewrite(parent, ARRAY[v_default], NOT v_is_staged, false, dry_run);
    IF (SELECT p.partstrat = 'l' AND p.partnatts = 1 AND p.partattrs[0] > 0 FROM pg_partitioned_table AS p
        WHERE p.partrelid = parent)
    THEN
        v_targets := lifecycle._list_targets(parent, coalesce(lifecycle._drain_lists(parent, max_creations), '[]'),
            NULL);
    ELSE
        v_key := lifecycle._range_key(parent);
        v_ranges := lifecycle._drain_ranges(parent, v_key, max_creations);
        v_targets := lifecycle._range_targets(parent, v_ranges, NULL,
            coalesce((SELECT (p.policy).time_zone FROM lifecycle._policy_of(parent) AS p),
                lifecycle._set_zone(parent)));
    END IF;
    IF cardinality(v_targets) = 0 THEN
        RETURN;
    END IF;
    v_targets := v_targets || ROW(lifecycle._free_identity(parent::text, lifecycle._name(ARRAY[(SELECT c.relname::text
            FROM pg_class AS c WHERE c.oid = parent)], 'default'), false, v_default::oid::text), 'DEFAULT', NULL)
        ::lifecycle.new_partition;
    RETURN QUERY SELECT * FROM lifecycle._apply_rewrite('drain', parent, ARRAY[v_default], v_targets, v_is_staged,
        CASE WHEN v_key IS NOT NULL THEN lifecycle._default_check(parent, v_key, v_ranges) END, dry_run, NULL,
        _drain_default.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle._drain_default(regclass, integer, boolean, boolean, text) IS
'Plans, or begins, to drain a default partition; no rows when nothing in it asks for a partition.';

CREATE FUNCTION lifecycle.drain_default_partition_step(
    target regclass,
    batch_size integer DEFAULT 10000,
    max_creations integer DEFAULT 100,
    at_once boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS jsonb LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_open integer;
    v_made integer;
    v_id bigint;
BEGIN
    PERFORM lifecycle._require_number('batch_size', batch_size, 1);
    PERFORM lifecycle._drainable_default(target, max_creations);
    IF EXISTS (SELECT FROM lifecycle._rewrites(target)) THEN
        RETURN lifecycle.rewrite_partitions_step(target, batch_size, drain_default_partition_step.search_path);
    END IF;
    SELECT count(*) FILTER (WHERE s.status = 'pending'), count(*) FILTER (WHERE s.action = 'create partition'),
        max(s.migration_id)
    INTO v_open, v_made, v_id
    FROM lifecycle._drain_default(target, max_creations, at_once, false, drain_default_partition_step.search_path) AS s;
    RETURN jsonb_build_object('parent', target::text, 'kind', 'drain', 'rows', 0, 'migration_id', v_id, 'status',
        CASE WHEN v_made = 0 THEN 'nothing' WHEN v_open > 0 THEN 'copying' ELSE 'done' END);
END
$fn$;
COMMENT ON FUNCTION lifecycle.drain_default_partition_step(regclass, integer, integer, boolean, text) IS
'One slice of CALL lifecycle.drain_default_partition in the caller''s transaction, where only a function can be called:
a small default partition is drained at once, for a large one the work begins or goes on. Commit, and call it until
status is nothing.

Arguments: target - the partitioned table; batch_size - rows, default 10000; max_creations - how many partitions it may
make in one go, default 100; at_once - in one transaction whatever the size; search_path - for functions in constraints
and indexes.
Returns: jsonb: parent, kind, rows, status as lifecycle.rewrite_partitions_step, migration_id of what it began.
Errors: 55000 no default partition, or the span of a partition is not known, or large and without a primary key; 0A000
HASH, or partitions that are partitioned themselves; 22023 arguments; 42809 not a partitioned table;
the others as in lifecycle.split_partition.
Example: SELECT lifecycle.drain_default_partition_step(''public.metric'');';
