-- Who waits too long for locks hears of it, and nothing is lost.
CREATE FUNCTION lifecycle._require_patience(step jsonb, waited integer) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF waited > lifecycle.setting('lock_attempts')::integer THEN
        RAISE EXCEPTION USING
            ERRCODE = 'lock_not_available',
            MESSAGE = format('the rewrite of partitions of %s could not get its locks in %s tries',
                step ->> 'parent', waited),
            DETAIL = concat_ws(E'\n', step ->> 'message', nullif(step ->> 'detail', '')),
            HINT = 'Nothing is lost: end the long transaction and call it again.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_patience(jsonb, integer) IS
'Raises 55P03 when a rewrite has waited lifecycle.lock_attempts times.';

CREATE PROCEDURE lifecycle.rewrite_partitions(
    target regclass DEFAULT NULL,
    batch_size integer DEFAULT 10000,
    pause double precision DEFAULT 0,
    max_batches integer DEFAULT NULL,
    search_path text DEFAULT pg_catalog.current_setting('search_path')
) LANGUAGE plpgsql AS $fn$
DECLARE
    v_step jsonb;
    v_batches integer := 0;
    v_waited integer := 0;
    v_rows bigint := 0;
BEGIN
    PERFORM lifecycle._require_pace(pause, max_batches);
    LOOP
        v_step := lifecycle.rewrite_partitions_step(target, batch_size, search_path);
        COMMIT;
        v_rows := v_rows OPERATOR(pg_catalog.+) (v_step OPERATOR(pg_catalog.->>) 'rows')::pg_catalog.int8;
        EXIT WHEN (v_step OPERATOR(pg_catalog.->>) 'status') OPERATOR(pg_catalog.=) 'nothing';
        IF (v_step OPERATOR(pg_catalog.->>) 'status') OPERATOR(pg_catalog.=) 'done' THEN
            RAISE NOTICE '% of %: done', v_step OPERATOR(pg_catalog.->>) 'kind',
                v_step OPERATOR(pg_catalog.->>) 'parent';
            v_waited := 0;
        ELSIF (v_step OPERATOR(pg_catalog.->>) 'status') OPERATOR(pg_catalog.=) 'waiting' THEN
            v_waited := v_waited OPERATOR(pg_catalog.+) 1;
            PERFORM lifecycle._require_patience(v_step, v_waited);
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
    RAISE NOTICE '% rows copied in % batches', v_rows, v_batches;
END
$fn$;
COMMENT ON PROCEDURE lifecycle.rewrite_partitions(regclass, integer, double precision, integer, text) IS
'Carries on the splits, merges and drained default partitions that were too large for one transaction: captures what is
written from then on, copies in batches, a transaction each, copies what was written meanwhile, and exchanges old and
new partitions in one short transaction. Stop it, kill it, call it again at any time: how far it is is written down with
the rows.

Arguments: target - a partitioned table, or a partition that is replaced; default all of the caller; batch_size - rows
a transaction, default 10000; pause - seconds between two of them, default 0; max_batches - stop after so many, default
when all is done; search_path - for functions in constraints and indexes.
Returns: nothing; progress comes as a NOTICE. Twins: lifecycle.preview_rewrite_partitions shows what is under way,
lifecycle.rewrite_partitions_step does a slice inside a transaction.
Errors: 22023 batch_size, pause or max_batches; 55P03 the locks of the triggers or of the exchange were not free in
lifecycle.lock_attempts tries; 42501 not an administrator, or the steps of another role; 2D000 inside a transaction
block; what the steps raise.
Example: CALL lifecycle.rewrite_partitions(''public.metric'', pause => 0.1);';
