CREATE FUNCTION lifecycle._require_drainable(max_rows integer) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_transaction_state',
            MESSAGE = format('a queue cannot be drained under isolation level %s',
                current_setting('transaction_isolation')),
            HINT = 'Use READ COMMITTED: the source must be read by a later snapshot than the queue.';
    END IF;
    PERFORM lifecycle._require_number('max_rows', max_rows, 1);
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_drainable(integer) IS
'Raises 25000 unless READ COMMITTED, 22023 for a max_rows below 1.';
