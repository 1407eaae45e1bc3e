-- Each leaf that is made or dropped locks itself, its indexes, its TOAST table and the index of that, to the end of the
-- transaction. Ten relations a leaf, and half of the table left to everybody else.
CREATE FUNCTION lifecycle._changes_per_call() RETURNS integer
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT least(1000, current_setting('max_locks_per_transaction')::integer
        * (current_setting('max_connections')::integer + current_setting('max_prepared_transactions')::integer) / 20)
$fn$;
COMMENT ON FUNCTION lifecycle._changes_per_call() IS
'How many partitions one transaction may make or drop without filling the lock table of this server.';

CREATE FUNCTION lifecycle._left_over(action text, parent regclass, made bigint) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY[lifecycle._step(action, 'table ' || parent, NULL,
        note => format('left to the next call: %s partitions are enough for one', made))]
$fn$;
COMMENT ON FUNCTION lifecycle._left_over(text, regclass, bigint) IS 'What a call says of what it leaves to the next.';
