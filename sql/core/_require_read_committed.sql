-- An older snapshot goes on showing the catalog as it was before the lock was granted.
CREATE FUNCTION lifecycle._require_read_committed() RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF current_setting('transaction_isolation') NOT IN ('read committed', 'read uncommitted') THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_transaction_state',
            MESSAGE = format('a change cannot be made under isolation level %s',
                current_setting('transaction_isolation')),
            HINT = 'Use READ COMMITTED: the plan must see what others committed before the lock was granted.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_read_committed() IS 'Raises 25000 under REPEATABLE READ and SERIALIZABLE.';
