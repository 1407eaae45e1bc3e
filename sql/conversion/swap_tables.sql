-- No SET clause and no EXCEPTION block here: a procedure that commits can have neither.
CREATE PROCEDURE lifecycle.swap_tables(
    target regclass,
    max_attempts integer DEFAULT 100,
    search_path text DEFAULT pg_catalog.current_setting('search_path')
) LANGUAGE plpgsql AS $fn$
DECLARE
    v_failure pg_catalog.jsonb;
    v_replay pg_catalog.jsonb;
    v_entries pg_catalog.int8;
    v_attempt pg_catalog.int4 := 0;
    v_began pg_catalog.timestamptz;
BEGIN
    PERFORM lifecycle._require_number('max_attempts', max_attempts, 1);
    LOOP
        v_attempt := v_attempt OPERATOR(pg_catalog.+) 1;
        -- What has come together is replayed before the lock, and committed.
        FOR v_round IN 1..10 LOOP
            SELECT t.failure, (t.state).queue_entries INTO v_replay, v_entries
            FROM lifecycle._try_convert(target, 10000) AS t;
            COMMIT;
            PERFORM lifecycle._raise_again(v_replay);
            EXIT WHEN v_entries OPERATOR(pg_catalog.<) 500;
        END LOOP;
        v_began := pg_catalog.clock_timestamp();
        SELECT t.failure INTO v_failure FROM lifecycle._try_swap(target, search_path) AS t;
        COMMIT;
        EXIT WHEN v_failure IS NULL OR v_attempt OPERATOR(pg_catalog.>=) max_attempts;
        PERFORM lifecycle._pause();
    END LOOP;
    PERFORM lifecycle._raise_again(v_failure);
    RAISE NOTICE 'swapped % in try %, which took % ms', target, v_attempt, pg_catalog.round(
        (1000 OPERATOR(pg_catalog.*) pg_catalog.extract('epoch', pg_catalog.clock_timestamp()
            OPERATOR(pg_catalog.-) v_began))::pg_catalog.numeric);
END
$fn$;
COMMENT ON PROCEDURE lifecycle.swap_tables(regclass, integer, text) IS
'Lets the partitioned table take the name of the table: replays the queue, locks the table for as long as the rest and
the renames take, a few milliseconds, and hands over names, sequences, triggers and views. A capture then keeps the old
table in step until finish_conversion. If the lock is not had within the setting lock_timeout, it lets go, so that
nobody waits longer, and tries again; it never ends a session. Twins: preview_swap_tables, and swap_tables_step where
only a function can be called.

Arguments: target - the table; max_attempts - how often, default 100; search_path - for event triggers, by default the
caller''s.
Returns: nothing; a NOTICE says how long it took.
Errors: 55P03 no lock after max_attempts; 55000 the conversion is not ready, the table was altered since, or a predicate
left out rows; 42809 not a table; 42501 not the owner; 25000 unless READ COMMITTED; 2D000 inside a transaction block.
Example: CALL lifecycle.swap_tables(''public.observation'');';
