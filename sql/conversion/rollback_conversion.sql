CREATE FUNCTION lifecycle._follow_back(conversion lifecycle.located_conversion, done lifecycle.plan_step)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- In a restored database the oids of the swap mean other tables.
    SELECT ARRAY[lifecycle._step('undo follow', (done).object, CASE
            WHEN starts_with((done).inverse, 'SELECT lifecycle._succeed(') THEN
                format('SELECT lifecycle._succeed(%s, %s)', conversion.partitioned::oid, conversion.source::oid)
            WHEN starts_with((done).inverse, 'SELECT lifecycle._carry_back(''soft_delete'', ') THEN
                format('SELECT lifecycle._carry_back(''soft_delete'', %s)', conversion.partitioned::oid)
            ELSE (done).inverse
        END, (done).statement, note => (done).note)]
$fn$;
COMMENT ON FUNCTION lifecycle._follow_back(lifecycle.located_conversion, lifecycle.plan_step) IS
'The step that takes back what the journal and the records of a table were made to follow.';

-- What keeps partitions ahead goes on after the swap, and must not shut the way back.
CREATE FUNCTION lifecycle._close_partitions(root oid) RETURNS void
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    UPDATE lifecycle.migration AS m
    SET state = 'rolled_back', rolled_back_at = clock_timestamp(), rolled_back_by = current_user
    WHERE m.feature LIKE 'partition%' AND m.state <> 'rolled_back' AND m.origin = lifecycle._origin()
        AND m.target_oid = ANY (root || lifecycle._partitions(root))
        AND lifecycle._may_run(m.applied_by, m.session_by, m.writer)
$fn$;
COMMENT ON FUNCTION lifecycle._close_partitions(oid) IS
'Closes the migrations that made partitions of a table which is about to be dropped with them.';

-- Backwards: what the swap has done, in reverse order; what is bound to the new table back to the old one; then
-- everything that start_conversion made goes by its own journal. The old materialized views are filled before the lock,
-- the foreign keys validated in later stages: no scan is made under it.
CREATE FUNCTION lifecycle._plan_swap_back(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_migration constant bigint := lifecycle._conversion_migration(conversion);
    v_done constant lifecycle.plan_step[] := ARRAY(
        SELECT s FROM jsonb_populate_recordset(NULL::lifecycle.plan_step, (conversion.conversion).swap_steps) AS s
        WHERE s.inverse IS NOT NULL ORDER BY s.step DESC);
    v_fill lifecycle.plan_step[] := ARRAY(
        SELECT lifecycle._step('fill', 'materialized view ' || o.relation, format('REFRESH MATERIALIZED VIEW %s',
            o.relation), note => 'before the lock')
        FROM lifecycle._old_views(conversion) AS o
        JOIN pg_class AS c ON c.oid = to_regclass(o.name) AND c.relispopulated
        ORDER BY o.place DESC);
    v_relation oid;
    v_step lifecycle.plan_step;
    v_undo lifecycle.plan_step[] := '{}';
    v_take_off lifecycle.plan_step[] := '{}';
    v_rebind lifecycle.plan_step[] := '{}';
    v_ground constant record := lifecycle._carry_ground(conversion.partitioned);
BEGIN
    FOR v_relation IN
        SELECT conversion.partitioned::oid
        UNION ALL SELECT m.relation FROM lifecycle._bound_materialized(conversion.partitioned) AS m (relation)
    LOOP
        v_take_off := v_take_off || lifecycle._take_off(v_relation);
        v_rebind := v_rebind || lifecycle._rebind(v_relation);
    END LOOP;
    FOREACH v_step IN ARRAY v_done LOOP
        v_undo := v_undo || CASE v_step.action
            WHEN 'build beside' THEN '{}'
            WHEN 'drop foreign key' THEN lifecycle._undrop_keys(conversion, v_step)
            WHEN 'follow' THEN lifecycle._follow_back(conversion, v_step)
            ELSE ARRAY[lifecycle._step('undo ' || v_step.action, v_step.object, v_step.inverse, v_step.statement,
                note => v_step.note)] END;
    END LOOP;
    RETURN lifecycle._number(v_fill || v_ground.first_steps || lifecycle._drop_new_keys(conversion) || v_take_off
        || v_undo || v_rebind || v_ground.last_steps
        || ARRAY(SELECT lifecycle._step('undo ' || s.action, s.object, s.inverse, s.statement)
            FROM unnest(v_done) AS s WHERE s.action = 'build beside' ORDER BY s.step DESC)
        || lifecycle._step('close', 'partitions of ' || conversion.partitioned,
            format('SELECT lifecycle._close_partitions(%s)', conversion.partitioned::oid),
            note => 'those that were made since go with their table')
        || lifecycle._step('roll back conversion', format('migration %s', v_migration),
            format('SELECT * FROM lifecycle.rollback_migration(%s, dry_run => false)', v_migration),
            note => 'drops the partitioned table')
        || lifecycle._validate_old_keys(conversion));
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_swap_back(lifecycle.located_conversion) IS
'The steps that take back a swap and the conversion.';

-- The migration is rolled back by then; what is left of the way back is journaled with it, and run_pending() runs it.
CREATE FUNCTION lifecycle._journal_back(migration_id bigint, steps lifecycle.plan_step[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_step integer;
    v_count integer;
BEGIN
    SELECT max(s.step) INTO v_step FROM lifecycle.migration_step AS s
    WHERE s.migration_id = _journal_back.migration_id;
    INSERT INTO lifecycle.migration_step (migration_id, step, stage, action, object, statement, note)
    SELECT _journal_back.migration_id, v_step + row_number() OVER (ORDER BY s.step), s.stage, s.action, s.object,
        s.statement, s.note
    FROM unnest(steps) AS s WHERE s.stage > 1;
    GET DIAGNOSTICS v_count = ROW_COUNT;
    IF v_count > 0 THEN
        RAISE NOTICE 'steps pending: %, CALL lifecycle.run_pending(%)', v_count, migration_id;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._journal_back(bigint, lifecycle.plan_step[]) IS
'Writes the later stages of the way back into the journal of a migration.';

CREATE FUNCTION lifecycle._replay_most(conversion lifecycle.located_conversion) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    LOOP
        EXIT WHEN lifecycle._replay_once(conversion, 100000) < 1000;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._replay_most(lifecycle.located_conversion) IS
'Replays the queue until little is left of it.';

-- Whether the old table can still take every row must be known before anything is promised.
CREATE FUNCTION lifecycle._require_way_back(conversion lifecycle.located_conversion) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_state constant lifecycle.conversion_state := lifecycle._conversion_state(conversion);
BEGIN
    IF NOT v_state.rollback_possible THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the conversion of %s cannot be rolled back', (conversion.conversion).source),
            DETAIL = v_state.last_error,
            HINT = format('Correct the rows, or undo what was altered, SELECT lifecycle.convert_step(%L) and try '
                'again; or lifecycle.finish_conversion.', (conversion.conversion).source);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_way_back(lifecycle.located_conversion) IS
'Raises 55000 with the reason when a conversion cannot be rolled back any more.';

CREATE FUNCTION lifecycle._swap_back(target regclass, expected_plan text, search_path text)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_conversion constant lifecycle.located_conversion := lifecycle._fence_conversion(target);
    v_migration constant bigint := lifecycle._conversion_migration(v_conversion);
    v_views constant regclass[] := ARRAY(
        SELECT m.relation::regclass FROM lifecycle._bound_materialized(v_conversion.partitioned) AS m (relation));
    v_steps lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._replay_most(v_conversion);
    PERFORM lifecycle._swap_lock(ARRAY[v_conversion.partitioned, v_conversion.source]
        || lifecycle._key_neighbours(v_conversion.partitioned) || lifecycle._bound_tables(v_conversion.partitioned)
        || ARRAY(SELECT t.relid FROM pg_partition_tree(v_conversion.partitioned) AS t
            WHERE t.relid <> v_conversion.partitioned),
        lifecycle._bound_views(v_conversion.partitioned) || ARRAY(
            SELECT b.relation FROM unnest(v_views) AS v CROSS JOIN LATERAL unnest(lifecycle._bound_views(v))
                AS b (relation)) || v_views);
    PERFORM lifecycle._drain_to_end(v_conversion);
    -- Nobody alters it any more.
    PERFORM lifecycle._require_way_back(v_conversion);
    v_steps := lifecycle._plan_swap_back(v_conversion);
    PERFORM lifecycle._assert_plan(v_steps, expected_plan);
    PERFORM lifecycle._run_steps(ARRAY(SELECT s FROM unnest(v_steps) AS s
        WHERE s.action <> 'fill' AND s.stage = 1 ORDER BY s.step), _swap_back.search_path);
    PERFORM lifecycle._journal_back(v_migration, v_steps);
    PERFORM lifecycle._announce();
    RETURN v_steps;
END
$fn$;
COMMENT ON FUNCTION lifecycle._swap_back(regclass, text, text) IS
'One try of the way back: locks, replays the rest into the old table, gives it its name again.';

CREATE FUNCTION lifecycle._retry_swap_back(target regclass, expected_plan text, search_path text)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_attempts constant integer := lifecycle.setting('lock_attempts')::integer;
    v_conversion constant lifecycle.located_conversion := lifecycle._fence_conversion(target);
BEGIN
    -- The old materialized views read the old table.
    PERFORM lifecycle._replay_most(v_conversion);
    PERFORM lifecycle._run_steps(ARRAY(SELECT s FROM unnest(lifecycle._plan_swap_back(v_conversion)) AS s
        WHERE s.action = 'fill' ORDER BY s.step), _retry_swap_back.search_path);
    FOR v_attempt IN 1..v_attempts LOOP
        BEGIN
            RETURN lifecycle._swap_back(target, expected_plan, _retry_swap_back.search_path);
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            IF v_attempt = v_attempts THEN
                RAISE;
            END IF;
        END;
        PERFORM lifecycle._pause();
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._retry_swap_back(regclass, text, text) IS
'Takes a swap back, with lifecycle.lock_attempts tries for the locks.';

CREATE FUNCTION lifecycle.rollback_conversion(
    target regclass,
    dry_run boolean DEFAULT true,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT NULL
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_attached constant bigint := lifecycle._attach_migration(target);
    v_conversion constant lifecycle.located_conversion := CASE WHEN v_attached IS NULL
        THEN lifecycle._conversion(target) END;
    v_migration constant bigint := lifecycle._conversion_migration(v_conversion);
    v_steps lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._require_dry_run(dry_run);
    PERFORM lifecycle._require_owner(target);
    IF v_attached IS NOT NULL THEN
        RETURN QUERY SELECT * FROM lifecycle._rollback(ARRAY[v_attached], dry_run, expected_plan,
            search_path => rollback_conversion.search_path);
        RETURN;
    END IF;
    IF (v_conversion.conversion).phase <> 'swapped' THEN
        IF NOT dry_run THEN
            PERFORM lifecycle._fence_conversion(target);
        END IF;
        RETURN QUERY SELECT * FROM lifecycle._rollback(ARRAY[v_migration], dry_run, expected_plan,
            search_path => rollback_conversion.search_path);
        RETURN;
    END IF;
    PERFORM lifecycle._require_way_back(v_conversion);
    IF dry_run THEN
        v_steps := lifecycle._plan_swap_back(v_conversion);
        RAISE NOTICE 'dry run: nothing was changed, % steps would run', cardinality(v_steps);
    ELSE
        v_steps := lifecycle._retry_swap_back(target, expected_plan, coalesce(rollback_conversion.search_path,
            (v_conversion.conversion).options ->> 'search_path'));
    END IF;
    RETURN QUERY
    SELECT v_migration, s.step, s.stage, s.action, s.object, s.statement,
        CASE WHEN dry_run THEN 'planned' WHEN s.stage > 1 THEN 'pending' ELSE 'done' END,
        lifecycle._plan_hash(v_steps), s.note
    FROM unnest(v_steps) AS s ORDER BY s.step;
END
$fn$;
COMMENT ON FUNCTION lifecycle.rollback_conversion(regclass, boolean, text, text) IS
'Takes a conversion back without losing a write. Before the swap: drops the new table and the capture. After it: replays
what was written since into the old table, locks, replays the rest, gives the old table its name, sequences, triggers
and views again, and drops the partitioned one, in one transaction. Its foreign keys hold for every write from then on;
CALL lifecycle.run_pending() validates them, each in a stage of its own, beside readers and writers. A table that was
attached (attach_existing) is detached, and takes the rows of the other partitions along.

Arguments: target - the table; dry_run - only show the plan (the default); expected_plan - plan_hash of the reviewed dry
run; search_path - for event triggers, instead of that of start_conversion.
Returns: one row a step (lifecycle.step_result); pending: a later stage.
Errors: 55000 the table is not being converted, or the old table cannot take what the new one holds (monitor_migration
says so); 42809 not a table; 42501 not the owner, or begun by another role; 55P03 lock.
Example: SELECT * FROM lifecycle.rollback_conversion(''public.observation'', dry_run => false);';
