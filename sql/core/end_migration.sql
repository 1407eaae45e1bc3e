CREATE FUNCTION lifecycle.end_migration() RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id constant bigint := lifecycle._context();
BEGIN
    IF v_id IS NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_transaction_state',
            MESSAGE = 'no migration is open in this transaction',
            HINT = 'BEGIN; SELECT lifecycle.begin_migration(''name''); ...; SELECT lifecycle.end_migration(); COMMIT;';
    END IF;
    PERFORM lifecycle._settle_group(v_id);
    PERFORM set_config('lifecycle.migration', '', true);
    RETURN v_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle.end_migration() IS
'Closes the migration that lifecycle.begin_migration opened in this transaction.

Arguments: none.
Returns: the migration_id of the group.
Errors: 25000 when none is open in this transaction.
Example: BEGIN;
SELECT lifecycle.begin_migration(''001_schema_optimization'');
SELECT * FROM lifecycle.apply_migration(''a'', ARRAY[''CREATE TABLE public.a (id int)''],
    ARRAY[''DROP TABLE public.a'']);
SELECT lifecycle.end_migration();
COMMIT;';
