CREATE FUNCTION lifecycle._require_phase(conversion lifecycle.located_conversion, phases text[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF (conversion.conversion).phase <> ALL (phases) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the conversion of %s is in phase %s', (conversion.conversion).source,
                (conversion.conversion).phase),
            DETAIL = format('This takes phase %s.', array_to_string(phases, ' or ')),
            HINT = CASE WHEN (conversion.conversion).phase = 'swapped'
                THEN 'lifecycle.finish_conversion makes it final, lifecycle.rollback_conversion goes back.'
                ELSE format('CALL lifecycle.convert_data(%L)', (conversion.conversion).source) END;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_phase(lifecycle.located_conversion, text[]) IS
'Raises 55000 unless a conversion is in one of these phases.';

-- A trial that copied one program must not hide the others.
CREATE FUNCTION lifecycle._require_all_rows(conversion lifecycle.located_conversion) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET row_security = off AS $fn$
DECLARE
    v_predicate constant text := (conversion.conversion).options ->> 'predicate';
    v_source constant text := conversion.source;
    v_others boolean;
BEGIN
    IF v_predicate IS NULL THEN
        RETURN;
    END IF;
    PERFORM set_config('search_path', (conversion.conversion).options ->> 'search_path', true);
    EXECUTE pg_catalog.format('SELECT EXISTS (SELECT FROM ONLY %s AS t WHERE (%s) IS NOT TRUE)', v_source, v_predicate)
    INTO v_others;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    IF v_others THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has rows that were not copied', conversion.source),
            DETAIL = format('The conversion was begun for rows WHERE %s.', v_predicate),
            HINT = 'It was a trial: roll it back and start one without a predicate.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_all_rows(lifecycle.located_conversion) IS
'Raises 55000 when the predicate of a conversion leaves out rows.';

-- The table first, straight at its final strength and with patience; what else is needed while it is held, hardly any.
-- Views come before it: whoever reads one would else hold it while he waits for the table.
CREATE FUNCTION lifecycle._swap_lock(tables regclass[], views regclass[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_timeout constant text := current_setting('lock_timeout');
    v_relation record;
BEGIN
    PERFORM set_config('lock_timeout', lifecycle._lock_wait(), true);
    FOR v_relation IN
        SELECT c.oid::regclass AS name, pg_get_userbyid(c.relowner) AS owner,
            c.relkind = 'm' AS is_materialized
        FROM unnest(views) WITH ORDINALITY AS v (relation, place) JOIN pg_class AS c ON c.oid = v.relation
        ORDER BY v.place
    LOOP
        -- LOCK TABLE of a view would lock all that it reads.
        IF v_relation.is_materialized THEN
            EXECUTE format('ALTER MATERIALIZED VIEW %s OWNER TO %I', v_relation.name, v_relation.owner);
        ELSE
            EXECUTE format('ALTER VIEW %s OWNER TO %I', v_relation.name, v_relation.owner);
        END IF;
    END LOOP;
    FOR v_relation IN
        SELECT t.relation AS name FROM unnest(tables) WITH ORDINALITY AS t (relation, place) ORDER BY t.place
    LOOP
        EXECUTE format('LOCK TABLE ONLY %s IN ACCESS EXCLUSIVE MODE', v_relation.name);
    END LOOP;
    PERFORM set_config('lock_timeout', v_timeout, true);
END
$fn$;
COMMENT ON FUNCTION lifecycle._swap_lock(regclass[], regclass[]) IS
'Takes the locks of a swap under lifecycle.lock_timeout; raises 55P03.';

CREATE FUNCTION lifecycle._key_neighbours(target regclass) RETURNS regclass[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT DISTINCT m.relation::regclass FROM pg_constraint AS k
        JOIN pg_class AS c ON c.oid = CASE k.conrelid WHEN target THEN k.confrelid ELSE k.conrelid END
        -- A key of a partitioned table comes and goes with those of its leaves.
        CROSS JOIN LATERAL unnest(c.oid || CASE WHEN k.confrelid = target THEN lifecycle._partitions(c.oid)
            ELSE '{}' END) AS m (relation)
        WHERE k.contype = 'f' AND k.conparentid = 0 AND target IN (k.conrelid, k.confrelid) AND c.oid <> target
            -- Others cannot be locked so; there the DDL is the lock.
            AND pg_has_role(current_user, c.relowner, 'USAGE')
        ORDER BY 1
    )
$fn$;
COMMENT ON FUNCTION lifecycle._key_neighbours(regclass) IS
'The tables at the other ends of the foreign keys of a table, as far as the caller may lock them.';

-- Under the lock nobody writes: the queue is emptied to its end, all entries at once.
CREATE FUNCTION lifecycle._drain_to_end(conversion lifecycle.located_conversion) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_limit constant bigint := lifecycle.setting('conversion_swap_queue')::bigint;
    v_entries bigint;
BEGIN
    EXECUTE format('SELECT count(*) FROM %s', (conversion.conversion).queue) INTO v_entries;
    IF v_entries > v_limit THEN
        RAISE EXCEPTION USING ERRCODE = 'lock_not_available',
            MESSAGE = format('the queue of %s holds %s entries', (conversion.conversion).source, v_entries),
            HINT = format('Try again: they are replayed first. CALL lifecycle.convert_data(%L)',
                (conversion.conversion).source);
    END IF;
    WHILE lifecycle._replay_once(conversion, 2147483647) > 0 LOOP
        NULL;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drain_to_end(lifecycle.located_conversion) IS
'Replays all entries under the lock; raises 55P03 when they are too many for that.';

-- One try: all of it or nothing, in the caller's transaction. The capture of the new table stands before the old one is
-- locked: it takes a trigger for each partition, and what the last replay writes into its queue does no harm. The plan
-- of the exchange is made again behind the lock; the first one has filled the caches for it.
CREATE FUNCTION lifecycle._swap(target regclass, search_path text) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_conversion lifecycle.located_conversion := lifecycle._fence_conversion(target);
    v_reverse constant text := lifecycle._queue_name(v_conversion.partitioned, 'conversion_reverse');
    v_capture lifecycle.plan_step[];
    v_exchange lifecycle.plan_step[];
    v_locked_at timestamptz;
BEGIN
    PERFORM lifecycle._require_phase(v_conversion, '{ready}');
    PERFORM lifecycle._replay_once(v_conversion, 100000);
    v_capture := lifecycle._plan_reverse_capture(v_conversion);
    PERFORM lifecycle._run_steps(v_capture, _swap.search_path);
    v_exchange := lifecycle._plan_exchange(v_conversion, v_reverse);
    PERFORM lifecycle._require_rebindable(v_conversion.source);
    -- What was written while that was made: the less is left for the lock.
    PERFORM lifecycle._replay_once(v_conversion, 100000);
    PERFORM lifecycle._swap_lock(ARRAY[v_conversion.source, v_conversion.partitioned]
        || lifecycle._key_neighbours(v_conversion.source) || lifecycle._bound_tables(v_conversion.source),
        lifecycle._bound_views(v_conversion.source));
    v_locked_at := clock_timestamp();
    PERFORM lifecycle._require_same_source(v_conversion);
    PERFORM lifecycle._drain_to_end(v_conversion);
    PERFORM lifecycle._require_phase(lifecycle._conversion(target), '{ready}');
    PERFORM lifecycle._require_all_rows(v_conversion);
    -- Partitions that the last replay has made.
    v_exchange := lifecycle._carry_capture_triggers(v_conversion.source, v_conversion.partitioned, 'conversion')
        || lifecycle._plan_exchange(v_conversion, v_reverse);
    PERFORM lifecycle._run_steps(v_exchange, _swap.search_path);
    PERFORM lifecycle._announce();
    UPDATE lifecycle.conversion AS c SET swap_steps = to_jsonb(lifecycle._number(v_capture || v_exchange))
    WHERE c.conversion_id = (v_conversion.conversion).conversion_id;
    RAISE NOTICE '% was locked for % ms', (v_conversion.conversion).source,
        round(extract(epoch FROM clock_timestamp() - v_locked_at) * 1000);
    RETURN lifecycle._number(v_capture || v_exchange);
END
$fn$;
COMMENT ON FUNCTION lifecycle._swap(regclass, text) IS
'Swaps the tables: locks, replays the rest, runs the steps and keeps their inverses.';

CREATE FUNCTION lifecycle._try_swap(
    target regclass, search_path text, OUT steps lifecycle.plan_step[], OUT failure jsonb
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_message text;
    v_sqlstate text;
    v_hint text;
BEGIN
    BEGIN
        steps := lifecycle._swap(target, _try_swap.search_path);
        RETURN;
    EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_hint = PG_EXCEPTION_HINT;
    END;
    failure := jsonb_build_object('sqlstate', v_sqlstate, 'message', v_message, 'hint', v_hint,
        'detail', lifecycle._lock_holders(ARRAY[target::oid]));
END
$fn$;
COMMENT ON FUNCTION lifecycle._try_swap(regclass, text) IS
'One try of the swap, or why the locks could not be had; any other error is raised.';
