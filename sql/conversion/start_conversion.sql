CREATE FUNCTION lifecycle._require_these_levels(target regclass, levels jsonb[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_levels constant jsonb := (SELECT (c.conversion).levels FROM lifecycle._conversions() AS c
        WHERE target IN (c.source, c.partitioned) AND (c.conversion).ended_at IS NULL LIMIT 1);
BEGIN
    IF v_levels <> to_jsonb(levels) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s is being converted to other levels', target),
            DETAIL = format('They are %s.', v_levels),
            HINT = format('Go on with these, or first SELECT * FROM lifecycle.rollback_conversion(%L, '
                'dry_run => false).', target);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_these_levels(regclass, jsonb[]) IS
'Raises 55000 when a table is being converted to other levels.';

-- Found out here, not by the first batch.
CREATE FUNCTION lifecycle._require_predicate(target regclass, predicate text, search_path text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_message text;
BEGIN
    IF predicate IS NOT NULL THEN
        PERFORM lifecycle._execute(format('SELECT FROM %s AS t WHERE (%s) LIMIT 0', target, predicate),
            _require_predicate.search_path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;
EXCEPTION
    WHEN insufficient_privilege THEN
        RAISE;
    WHEN syntax_error_or_access_rule_violation THEN
        GET STACKED DIAGNOSTICS v_message = MESSAGE_TEXT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('predicate cannot be %L', predicate), DETAIL = v_message,
            HINT = format('Give a condition on the columns of %s, or leave it out.', target);
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_predicate(regclass, text, text) IS
'Raises 22023 for a predicate that is no condition on the rows of a table.';

CREATE FUNCTION lifecycle.start_conversion(
    target regclass,
    levels jsonb,
    key_mode text DEFAULT 'refuse',
    foreign_key_mode text DEFAULT 'refuse',
    predicate text DEFAULT NULL,
    new_name name DEFAULT NULL,
    old_name name DEFAULT NULL,
    attach_existing boolean DEFAULT false,
    at_once boolean DEFAULT false,
    premake integer DEFAULT 6,
    time_zone text DEFAULT current_setting('TimeZone'),
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_levels constant jsonb[] := lifecycle._levels(levels);
    v_name constant text := (SELECT c.relname FROM pg_class AS c WHERE c.oid = target);
    v_options constant jsonb := jsonb_strip_nulls(jsonb_build_object('key_mode', key_mode,
        'foreign_key_mode', foreign_key_mode, 'predicate', predicate, 'premake', premake,
        'time_zone', start_conversion.time_zone, 'search_path', start_conversion.search_path));
    v_plan lifecycle.plan_step[];
    v_census jsonb;
BEGIN
    PERFORM lifecycle._require_table(target);
    PERFORM lifecycle._require_owner(target);
    PERFORM lifecycle._require_levels(target, v_levels);
    PERFORM lifecycle._require_policy_values(premake, start_conversion.time_zone, NULL);
    PERFORM lifecycle._require_local_name('new_name', new_name);
    PERFORM lifecycle._require_local_name('old_name', old_name);
    PERFORM lifecycle._require_predicate(target, predicate, start_conversion.search_path);
    IF attach_existing THEN
        RETURN QUERY SELECT * FROM lifecycle._attach_existing(target, v_levels, v_options, start_conversion.old_name,
            at_once, dry_run, expected_plan, start_conversion.search_path);
        RETURN;
    ELSIF EXISTS (SELECT FROM lifecycle._conversions() AS c WHERE target IN (c.source, c.partitioned)
        AND (c.conversion).ended_at IS NULL)
    THEN
        PERFORM lifecycle._require_these_levels(target, v_levels);
        RETURN QUERY SELECT * FROM lifecycle._apply('conversion', target, ARRAY[lifecycle._step('register conversion',
            'conversion of ' || target, NULL, note => 'is under way, see lifecycle.monitor_migration()')], dry_run,
            expected_plan);
        RETURN;
    END IF;
    PERFORM lifecycle._require_convertible(target, v_levels, key_mode, foreign_key_mode);
    -- Under the lock nobody writes: the table is read before it, and a first plan fills the caches for the second.
    v_census := lifecycle._conversion_census(target, v_levels, start_conversion.time_zone, 'true');
    FOR v_locked IN 0..1 LOOP
        IF v_locked = 1 THEN
            PERFORM lifecycle._lock(ARRAY[target],
                CASE WHEN at_once THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE ROW EXCLUSIVE' END, dry_run);
        END IF;
        v_plan := lifecycle._plan_start_conversion(target, v_levels,
            coalesce(new_name, lifecycle._name(ARRAY[v_name], 'partitioned')),
            coalesce(old_name, lifecycle._name(ARRAY[v_name], 'old')), v_options, v_census);
    END LOOP;
    RETURN QUERY SELECT * FROM lifecycle._apply('conversion', target, v_plan, dry_run, expected_plan,
        v_options || jsonb_build_object('levels', v_levels), start_conversion.search_path);
    IF at_once AND NOT dry_run THEN
        WHILE (lifecycle._convert_once(target, 100000)).remaining IS NOT NULL LOOP
        END LOOP;
        PERFORM lifecycle._swap(target, start_conversion.search_path);
        WHILE (lifecycle._convert_once(target, 100000)).remaining IS NOT NULL LOOP
        END LOOP;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle.start_conversion(
    regclass, jsonb, text, text, text, name, name, boolean, boolean, integer, text, boolean, text, text
) IS
'Begins to convert a table into a partitioned one while it is in use: makes the new table, empty, and a capture that
records what is written meanwhile. Then CALL lifecycle.convert_data(target) copies, CALL lifecycle.swap_tables(target)
lets the new table take the name; until lifecycle.finish_conversion both are kept alike, and
lifecycle.rollback_conversion goes back without losing a write.

Arguments: target - the table; levels - from the top, as lifecycle.by_list || by_range || by_hash write them; key_mode -
what becomes of unique constraints that lack partition keys: refuse, extend (unique together with the keys) or leaf
(unique within each partition, those made later included);
foreign_key_mode - refuse, composite or drop, of foreign keys that refer to such a constraint; predicate - copy only the
rows for which it holds, a trial: such a conversion is not swapped while other rows exist; new_name - of the new table
until the swap, default <table>_partitioned; old_name - of the old table after the swap, default <table>_old;
attach_existing - copy nothing, the old table becomes the first partition: CALL lifecycle.run_pending() goes on from
there, lifecycle.split_partition divides it afterwards; at_once - copy and swap in this transaction, under the lock;
premake - partitions ahead of now; time_zone - where days and months begin; dry_run - only show the
plan; expected_plan - plan_hash of the reviewed dry run; search_path - for the predicate and event triggers.
Returns: one row a step (lifecycle.step_result); the partitions are pending, convert_data makes them.
Errors: 0A000 it cannot be converted, with every reason in the DETAIL; 42809 a view or another thing that is no table;
55000 it is being converted to other levels; 42P07 a name is taken; 42501 not the owner; 42703, 22023 levels, predicate,
premake or time_zone; 42602 a name has a schema; 23514 rows that no range holds; 55P03 lock.
Example: SELECT * FROM lifecycle.start_conversion(''public.observation'',
    lifecycle.by_range(''created_at'', ''1 month''), key_mode => ''extend'', dry_run => true);';
