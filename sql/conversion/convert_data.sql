-- What standbys report only some roles may see; what slots hold back, everybody.
CREATE FUNCTION lifecycle._replication_brake(max_lag bigint, max_wal bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_lag numeric;
    v_wal numeric;
BEGIN
    IF max_lag > 0 THEN
        IF NOT pg_has_role(current_user, 'pg_read_all_stats', 'USAGE') THEN
            RAISE EXCEPTION USING
                ERRCODE = 'insufficient_privilege',
                MESSAGE = format('role %I may not see how far standbys are behind', current_user),
                DETAIL = format('lifecycle.conversion_max_lag is %s ms.', max_lag),
                HINT = format('GRANT pg_read_all_stats TO %I; or use the setting conversion_max_wal instead.',
                    current_user);
        END IF;
        v_lag := (SELECT max(extract(epoch FROM r.replay_lag) * 1000) FROM pg_stat_replication AS r);
    END IF;
    IF max_wal > 0 THEN
        v_wal := (SELECT max(pg_wal_lsn_diff(pg_current_wal_insert_lsn(), s.restart_lsn)) / 1048576
            FROM pg_replication_slots AS s);
    END IF;
    RETURN CASE WHEN v_lag > max_lag THEN format('a standby is %s ms behind', round(v_lag))
        WHEN v_wal > max_wal THEN format('a replication slot holds back %s MB of WAL', round(v_wal)) END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._replication_brake(bigint, bigint) IS
'Who receives WAL and is further behind than so many milliseconds, or megabytes; 0: is not asked. Raises 42501 when the
caller may not see that.';

-- Why the copy should wait: somebody is behind, and more writes would leave him further behind. While nothing can be
-- replayed the queue only grows, and waiting would not shorten it.
CREATE FUNCTION lifecycle._conversion_brake(target regclass, queue_entries bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_max_queue constant bigint := lifecycle.setting('conversion_max_queue')::bigint;
BEGIN
    RETURN coalesce(
        lifecycle._replication_brake(lifecycle.setting('conversion_max_lag')::bigint,
            lifecycle.setting('conversion_max_wal')::bigint),
        CASE WHEN v_max_queue > 0 AND queue_entries > v_max_queue
            THEN (SELECT format('the queue holds %s entries', queue_entries)
                WHERE lifecycle._can_replay(lifecycle._conversion(target))) END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_brake(regclass, bigint) IS
'Why convert_data should pause (settings conversion_max_lag, conversion_max_wal, conversion_max_queue); NULL: it need
not.';

CREATE FUNCTION lifecycle._convert_notice(state lifecycle.conversion_state) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RAISE NOTICE '%.%: % %, % of % rows, % rows/s, % left, % queued', state.table_schema, state.table_name, state.phase,
        state.percent || ' %', state.rows_done, state.rows_total, coalesce(state.rate, 0),
        coalesce(date_trunc('second', state.eta)::text, 'unknown time'), state.queue_entries;
END
$fn$;
COMMENT ON FUNCTION lifecycle._convert_notice(lifecycle.conversion_state) IS 'Tells how far a conversion is.';

CREATE FUNCTION lifecycle._conversion_pause(pause interval, worked interval) RETURNS float8
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT extract(epoch FROM pause) + least(10, extract(epoch FROM worked) * (100 / s.share - 1))
    FROM (SELECT greatest(1, least(100, lifecycle.setting('conversion_share')::numeric)) AS share) AS s
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_pause(interval, interval) IS
'How many seconds to pause after a batch that took so long: pause, and what the setting conversion_share leaves to
others.';

CREATE FUNCTION lifecycle._require_batches(batch_size integer, pause interval, max_batches integer) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_number('batch_size', batch_size, 1), lifecycle._require_span('pause', pause),
        lifecycle._require_pace(extract(epoch FROM pause)::float8, max_batches);
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_batches(integer, interval, integer) IS
'Raises 22023 for batches that a conversion cannot be made in.';

-- No SET clause and no EXCEPTION block here: a procedure that commits can have neither.
CREATE PROCEDURE lifecycle.convert_data(
    target regclass,
    batch_size integer DEFAULT 10000,
    pause interval DEFAULT '0',
    max_batches integer DEFAULT NULL
) LANGUAGE plpgsql AS $fn$
DECLARE
    v_state lifecycle.conversion_state;
    v_done record;
    v_queued pg_catalog.int8;
    v_brake pg_catalog.text;
    v_batches pg_catalog.int4 := 0;
    v_told pg_catalog.timestamptz := pg_catalog.clock_timestamp();
    v_begun pg_catalog.timestamptz;
    v_worked pg_catalog.timestamptz;
BEGIN
    PERFORM lifecycle._require_batches(batch_size, pause, max_batches);
    v_state := lifecycle._conversion_state(lifecycle._conversion(target));
    LOOP
        EXIT WHEN v_batches OPERATOR(pg_catalog.>=) max_batches;
        v_begun := pg_catalog.clock_timestamp();
        v_brake := lifecycle._conversion_brake(target, v_state.queue_entries);
        SELECT t.state, t.failure INTO v_done
        FROM lifecycle._try_convert(target, batch_size, v_brake IS NOT NULL) AS t;
        COMMIT;
        v_worked := pg_catalog.clock_timestamp();
        PERFORM lifecycle._raise_again(v_done.failure);
        v_state := v_done.state;
        v_batches := v_batches OPERATOR(pg_catalog.+) 1;
        IF pg_catalog.clock_timestamp() OPERATOR(pg_catalog.-) v_told OPERATOR(pg_catalog.>=)
            '5 seconds'::pg_catalog.interval
        THEN
            v_told := pg_catalog.clock_timestamp();
            PERFORM lifecycle._convert_notice(v_state);
        END IF;
        -- Where others go on writing, the queue is never empty for long.
        EXIT WHEN v_state.remaining IS NULL OR v_state.phase OPERATOR(pg_catalog.=) ANY ('{ready,swapped}')
            AND v_state.remaining OPERATOR(pg_catalog.~~) 'queue%'
            AND v_state.queue_entries OPERATOR(pg_catalog.>=) v_queued
            AND v_state.queue_entries OPERATOR(pg_catalog.<) batch_size;
        v_queued := CASE WHEN v_state.phase OPERATOR(pg_catalog.=) ANY ('{ready,swapped}')
            THEN v_state.queue_entries END;
        IF v_brake IS NOT NULL THEN
            RAISE NOTICE 'the copy waits: %', v_brake;
            PERFORM pg_catalog.pg_sleep(1);
        END IF;
        PERFORM pg_catalog.pg_sleep(lifecycle._conversion_pause(pause,
            v_worked OPERATOR(pg_catalog.-) v_begun));
    END LOOP;
    PERFORM lifecycle._convert_notice(v_state) WHERE v_state.conversion_id IS NOT NULL;
END
$fn$;
COMMENT ON PROCEDURE lifecycle.convert_data(regclass, integer, interval, integer) IS
'Copies the table into the new one block by block, builds the indexes, replays what was written meanwhile, gives
rights, policies and statistics: one transaction a batch. Stop it, or kill it, and call it again: it goes on where it
was. While a standby is further behind than the setting conversion_max_lag, or a replication slot than
conversion_max_wal, it waits; while the queue is longer than conversion_max_queue it replays and builds nothing; with
the setting conversion_share it leaves a part of the time to others. After
the swap it brings the old table up to date. Twins: preview_convert_data and, where only a function can be called,
convert_step.

Arguments: target - the table; batch_size - rows or queue entries a transaction, default 10000; pause - after each
transaction, interval, default none; max_batches - stop after so many, default never.
Returns: nothing; progress comes as NOTICE and from lifecycle.monitor_migration().
Errors: 55000 it is not being converted, or was altered since; 42809 not a table; 55P03 another session is at it;
25000 unless READ COMMITTED; 42501 not the owner, or conversion_max_lag is set and the role may not see it;
22023 batch_size, pause or max_batches; 2D000 inside a transaction block.
Example: CALL lifecycle.convert_data(''public.observation'', 20000, pause => ''100 milliseconds'');';
