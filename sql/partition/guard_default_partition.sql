-- A guarded default partition takes only what lies outside a window: rows too old, too far ahead, without a key. ATTACH
-- of a partition inside the window believes the CHECK and does not read the default partition.
CREATE FUNCTION lifecycle._guard_name(default_name text) RETURNS name
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._name(ARRAY[(parse_ident(default_name))[2]], 'guard')
$fn$;
COMMENT ON FUNCTION lifecycle._guard_name(text) IS 'The name of the CHECK that guards a default partition.';

CREATE FUNCTION lifecycle._guard_check(key lifecycle.range_key, ends lifecycle.range_bound[]) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT concat_ws(' OR ', format('%I IS NULL', key.column_name),
        CASE WHEN ends[1].place > '-Infinity'
            THEN format('%I < %s::%s', key.column_name, ends[1].literal, key.type) END,
        CASE WHEN ends[2].place < 'Infinity'
            THEN format('%I >= %s::%s', key.column_name, ends[2].literal, key.type) END)
$fn$;
COMMENT ON FUNCTION lifecycle._guard_check(lifecycle.range_key, lifecycle.range_bound[]) IS
'The condition that a row lies outside a window.';

-- PostgreSQL writes a condition in its own words, so that two could not be compared: the comment says which window.
CREATE FUNCTION lifecycle._guard_statement(partition text, definition text, description text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('ALTER TABLE %s ADD CONSTRAINT %I %s; COMMENT ON CONSTRAINT %2$I ON %1$s IS %4$L', partition,
        lifecycle._guard_name(partition), definition, description)
$fn$;
COMMENT ON FUNCTION lifecycle._guard_statement(text, text, text) IS 'The statement that guards a default partition.';

-- A drained default partition is a new table: it keeps the guard.
CREATE FUNCTION lifecycle._guard_steps(present oid, partition text) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT lifecycle._step('add guard', 'table ' || partition, lifecycle._guard_statement(partition,
            pg_get_constraintdef(k.oid), obj_description(k.oid, 'pg_constraint')))
        FROM pg_constraint AS k
        WHERE k.conrelid = present AND k.contype = 'c' AND k.convalidated
            AND k.conname = lifecycle._guard_name(present::regclass::text)
    )
$fn$;
COMMENT ON FUNCTION lifecycle._guard_steps(oid, text) IS
'The step that gives a table the guard of a default partition; none when it has none.';

CREATE FUNCTION lifecycle._plan_new_default(parent regclass, check_text text, window_text text, partition_name name)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_newest constant oid := (SELECT p.partition FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p
        WHERE p.relkind = 'r' ORDER BY p.upper_place DESC LIMIT 1);
    v_table constant text := lifecycle._free_identity(parent::text, coalesce(partition_name, lifecycle._name(
        ARRAY[(SELECT c.relname::text FROM pg_class AS c WHERE c.oid = parent), 'default'])),
        partition_name IS NOT NULL, 'DEFAULT');
    v_steps constant lifecycle.plan_step[] := lifecycle._partition_steps(parent, v_newest, v_table, 'DEFAULT', NULL);
    v_attach constant integer := (SELECT s.place FROM unnest(v_steps) WITH ORDINALITY
        AS s (step, stage, action, object, statement, inverse, top_level, note, place)
        WHERE s.action = 'attach partition');
BEGIN
    RETURN v_steps[:v_attach - 1] || lifecycle._step('add guard', 'table ' || v_table,
            lifecycle._guard_statement(v_table, format('CHECK (%s)', check_text), window_text))
        || v_steps[v_attach:];
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_new_default(regclass, text, text, name) IS
'The plan that makes a guarded default partition.';

CREATE FUNCTION lifecycle._plan_guard(
    partition regclass, standing oid, check_text text, window_text text
) RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY[
        lifecycle._step('add guard', g.object,
            CASE WHEN standing IS NULL THEN '' ELSE g.gone || '; ' END
            || lifecycle._guard_statement(partition::text, format('CHECK (%s) NOT VALID', check_text), window_text),
            concat_ws('; ', g.gone, CASE WHEN standing IS NOT NULL THEN lifecycle._guard_statement(partition::text,
                pg_get_constraintdef(standing), obj_description(standing, 'pg_constraint')) END),
            note => 'from now on rows inside the window that have no partition are refused (23514)'),
        lifecycle._step('validate guard', g.object, format('ALTER TABLE %s VALIDATE CONSTRAINT %I', partition,
            lifecycle._guard_name(partition::text)), stage => 2,
            note => format('reads %s beside readers and writers', pg_size_pretty(pg_table_size(partition))))
    ]
    FROM (SELECT format('guard of %s', partition) AS object, format('ALTER TABLE %s DROP CONSTRAINT %I', partition,
        lifecycle._guard_name(partition::text)) AS gone) AS g
$fn$;
COMMENT ON FUNCTION lifecycle._plan_guard(regclass, oid, text, text) IS
'The plan that guards a default partition, or gives it another guard.';

CREATE FUNCTION lifecycle.guard_default_partition(
    target regclass,
    lower_bound text,
    upper_bound text,
    partition_name name DEFAULT NULL,
    time_zone text DEFAULT current_setting('TimeZone'),
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_key constant lifecycle.range_key := lifecycle._range_key(target);
    v_ends lifecycle.range_bound[];
    v_window text;
    v_default regclass;
    v_standing oid;
    v_plan lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._require_time_zone(guard_default_partition.time_zone);
    v_ends := ARRAY[lifecycle._range_bound(v_key.type, lower_bound, guard_default_partition.time_zone),
        lifecycle._range_bound(v_key.type, upper_bound, guard_default_partition.time_zone)];
    v_window := format('takes no rows FROM (%s) TO (%s)', v_ends[1].literal, v_ends[2].literal);
    PERFORM lifecycle._require_owner(target);
    IF v_ends[1].place >= v_ends[2].place THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_object_definition',
            MESSAGE = format('the window FROM (%s) TO (%s) is empty', v_ends[1].literal, v_ends[2].literal);
    END IF;
    PERFORM lifecycle._lock_attach(target, dry_run);
    v_default := (SELECT nullif(p.partdefid, 0) FROM pg_partitioned_table AS p WHERE p.partrelid = target);
    v_standing := (SELECT k.oid FROM pg_constraint AS k WHERE k.conrelid = v_default AND k.contype = 'c'
        AND k.conname = lifecycle._guard_name(v_default::text));
    IF v_default IS NULL THEN
        v_plan := lifecycle._plan_new_default(target, lifecycle._guard_check(v_key, v_ends), v_window, partition_name);
    ELSIF obj_description(v_standing, 'pg_constraint') = v_window THEN
        v_plan := ARRAY[lifecycle._step('add guard', format('guard of %s', v_default), NULL, note => 'stands already')];
    ELSE
        PERFORM lifecycle._require_empty_default(target, v_key, v_ends[1], v_ends[2]);
        v_plan := lifecycle._plan_guard(v_default, v_standing, lifecycle._guard_check(v_key, v_ends), v_window);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply('partition', target, v_plan, dry_run, expected_plan,
        jsonb_build_object('lower_bound', lower_bound, 'upper_bound', upper_bound, 'time_zone',
            guard_default_partition.time_zone), guard_default_partition.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.guard_default_partition(
    regclass, text, text, name, text, boolean, text, text
) IS
'Makes a default partition that takes only rows outside a window (too old, too far ahead, without a key), or guards the
one that stands. Inside the window every row needs a partition; in return adding one there does not read the default
partition, however large it is. Move the window on before lifecycle.ensure_future_partitions reaches its end: call it
again with other bounds.

Arguments: target - a table partitioned by RANGE on one column; lower_bound, upper_bound - the window, the upper bound
excluded, or MINVALUE and MAXVALUE; partition_name - of a new default partition, default <table>_default; time_zone - in
which times without an offset are read; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run;
search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result); VALIDATE of a default partition that stands is a pending stage.
Errors: 23514 the default partition holds rows of the window: drain it first; 42P17 an empty window; 0A000, 42809 not
RANGE on one column; 22007, 22008, 22P02, 22023 bounds; 42501 not the owner; 42P07 the name is taken; 55P03 lock.
Example: SELECT * FROM lifecycle.guard_default_partition(''public.metric'', ''2026-01-01'', ''2028-01-01'');';
