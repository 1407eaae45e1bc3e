CREATE PROCEDURE lifecycle.drain_default_partition(
    target regclass,
    batch_size integer DEFAULT 10000,
    pause double precision DEFAULT 0,
    max_batches integer DEFAULT NULL,
    max_creations integer DEFAULT 100,
    search_path text DEFAULT pg_catalog.current_setting('search_path')
) LANGUAGE plpgsql AS $fn$
DECLARE
    v_step jsonb;
    v_batches integer := 0;
    v_waited integer := 0;
BEGIN
    PERFORM lifecycle._require_pace(pause, max_batches);
    LOOP
        v_step := lifecycle.drain_default_partition_step(target, batch_size, max_creations, false, search_path);
        COMMIT;
        EXIT WHEN (v_step OPERATOR(pg_catalog.->>) 'status') OPERATOR(pg_catalog.=) 'nothing';
        IF (v_step OPERATOR(pg_catalog.->>) 'status') OPERATOR(pg_catalog.=) 'waiting' THEN
            v_waited := v_waited OPERATOR(pg_catalog.+) 1;
            PERFORM lifecycle._require_patience(v_step, v_waited);
        ELSE
            v_waited := 0;
        END IF;
        v_batches := v_batches OPERATOR(pg_catalog.+) 1;
        EXIT WHEN v_batches OPERATOR(pg_catalog.>=) max_batches;
        -- Between two batches, not between the triggers and the first one.
        IF (v_step OPERATOR(pg_catalog.->>) 'status') OPERATOR(pg_catalog.=) 'waiting'
            OR (v_step OPERATOR(pg_catalog.->>) 'rows') OPERATOR(pg_catalog.<>) '0'
        THEN
            PERFORM pg_catalog.pg_sleep(pause);
        END IF;
    END LOOP;
    RAISE NOTICE '%: % batches, then %', target, v_batches, v_step OPERATOR(pg_catalog.->>) 'status';
END
$fn$;
COMMENT ON PROCEDURE lifecycle.drain_default_partition(
    regclass, integer, double precision, integer, integer, text
) IS
'Moves the rows of a default partition into partitions of their own, which it makes: the period of each row (no further
than the partitions that are kept ahead: a row dated 2999 stays where it is), or the value, of LIST. Every statement
sees every row, before and after. A small default partition is replaced in one transaction; a large one beside readers
and writers, in batches, as lifecycle.rewrite_partitions does it. Stop it, kill it, call it again at any time.

Arguments: target - the partitioned table; batch_size - rows a transaction, default 10000; pause - seconds between two
of them, default 0; max_batches - stop after so many, default when all is done; max_creations - how many partitions in
one go, default 100; search_path - for functions in constraints and indexes.
Returns: nothing; a NOTICE says how it ended. Twins: lifecycle.preview_drain_default_partition shows the plan,
lifecycle.drain_default_partition_step does a slice inside a transaction.
Errors: as lifecycle.drain_default_partition_step; 55P03 the locks of the exchange were not free in
lifecycle.lock_attempts tries; 2D000 inside a transaction block.
Example: CALL lifecycle.drain_default_partition(''public.metric'');';
