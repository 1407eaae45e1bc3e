-- Why the copy should wait: somebody is behind, and more writes would leave him further behind.
CREATE FUNCTION lifecycle._conversion_brake(state lifecycle.conversion_state) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_max_lag constant bigint := lifecycle.setting('conversion_max_lag')::bigint;
    v_max_queue constant bigint := lifecycle.setting('conversion_max_queue')::bigint;
    v_lag numeric;
BEGIN
    SELECT max(extract(epoch FROM r.replay_lag) * 1000) INTO v_lag FROM pg_stat_replication AS r;
    RETURN CASE
        WHEN v_max_lag > 0 AND v_lag > v_max_lag THEN format('a standby is %s ms behind', round(v_lag))
        -- While rows are copied it only grows, waiting would not shorten it.
        WHEN v_max_queue > 0 AND state.phase <> 'copy' AND state.queue_entries > v_max_queue
            THEN format('the queue holds %s entries', state.queue_entries)
    END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_brake(lifecycle.conversion_state) IS
'Why convert_data should pause (settings conversion_max_lag, conversion_max_queue); NULL: it need not.';

CREATE FUNCTION lifecycle._convert_notice(state lifecycle.conversion_state) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RAISE NOTICE '%.%: % %, % of % rows, % rows/s, % left, % queued', state.table_schema, state.table_name, state.phase,
        state.percent || ' %', state.rows_done, state.rows_total, coalesce(state.rate, 0),
        coalesce(date_trunc('second', state.eta)::text, 'unknown time'), state.queue_entries;
END
$fn$;
COMMENT ON FUNCTION lifecycle._convert_notice(lifecycle.conversion_state) IS 'Tells how far a conversion is.';

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
BEGIN
    PERFORM lifecycle._require_batch(batch_size);
    LOOP
        EXIT WHEN v_batches OPERATOR(pg_catalog.>=) max_batches;
        v_brake := lifecycle._conversion_brake(v_state);
        SELECT t.state, t.failure INTO v_done
        FROM lifecycle._try_convert(target, batch_size, v_brake IS NOT NULL) AS t;
        COMMIT;
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
        PERFORM pg_catalog.pg_sleep(pg_catalog.date_part('epoch', pause));
    END LOOP;
    PERFORM lifecycle._convert_notice(v_state) WHERE v_state.conversion_id IS NOT NULL;
END
$fn$;
COMMENT ON PROCEDURE lifecycle.convert_data(regclass, integer, interval, integer) IS
'Copies the table into the new one in ranges of its key, replays what is written meanwhile, builds the indexes, gives
rights, policies and statistics: one transaction a batch. Stop it, or kill it, and call it again: it goes on where it
was. While a standby is further behind than the setting conversion_max_lag, or the queue is longer than
conversion_max_queue, the copy waits. After the swap it brings the old table up to date. Twins: preview_convert_data
and, where only a function can be called, convert_step.

Arguments: target - the table; batch_size - rows or queue entries a transaction, default 10000; pause - after each
transaction, interval, default none; max_batches - stop after so many, default never.
Returns: nothing; progress comes as NOTICE and from lifecycle.monitor_migration().
Errors: 55000 it is not being converted, or was altered since; 55P03 another session is at it; 25000 unless READ
COMMITTED; 42501 not the owner; 22023 batch_size; 2D000 inside a transaction block.
Example: CALL lifecycle.convert_data(''public.observation'', 20000, pause => ''100 milliseconds'');';
