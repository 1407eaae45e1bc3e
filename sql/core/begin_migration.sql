-- Nothing tells a function whether its transaction goes on after the statement. At its end it shows: where each
-- statement is a transaction of its own, the group is over before its first part.
CREATE FUNCTION lifecycle._require_open_group() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    -- Who has ended it needs no right to look.
    IF current_setting('lifecycle.migration', true) IS DISTINCT FROM new.migration_id::text THEN
        RETURN NULL;
    ELSIF NOT EXISTS (SELECT FROM lifecycle.migration AS m WHERE m.part_of = new.migration_id) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'no_active_sql_transaction',
            MESSAGE = format('migration %L ended with its transaction before anything was done', new.name),
            DETAIL = 'Outside of a transaction block each statement is a transaction of its own. Nothing was written.',
            HINT = 'BEGIN; SELECT lifecycle.begin_migration(''name''); ...; SELECT lifecycle.end_migration(); COMMIT;';
    END IF;
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_open_group() IS
'Raises 25P01 at the end of a transaction that has begun a group, changed nothing and not ended it.';

CREATE CONSTRAINT TRIGGER migration_is_in_a_transaction AFTER INSERT ON lifecycle.migration
DEFERRABLE INITIALLY DEFERRED FOR EACH ROW WHEN (new.feature = 'group')
EXECUTE FUNCTION lifecycle._require_open_group();

CREATE FUNCTION lifecycle.begin_migration(migration_name text) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_id bigint;
BEGIN
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._require_admin();
    PERFORM lifecycle._require_new_name(migration_name);
    IF lifecycle._context() IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_transaction_state',
            MESSAGE = format('cannot begin migration %L inside migration %s', migration_name, lifecycle._context()),
            HINT = 'Call lifecycle.end_migration() first; groups do not nest.';
    END IF;
    v_id := lifecycle._journal('group', NULL, '{}', lifecycle._plan_hash('{}'), '{}', 'pg_catalog, pg_temp',
        migration_name);
    PERFORM set_config('lifecycle.migration', v_id::text, true);
    RETURN v_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle.begin_migration(text) IS
'Opens a named migration in this transaction: every change up to lifecycle.end_migration() becomes a part of it and is
rolled back with it.

Arguments: migration_name - a name that no standing migration has.
Returns: the migration_id of the group.
Errors: 42710 the name is taken; 25000 inside another group, or under an isolation level other than READ COMMITTED;
25P01 the transaction ended before anything was done, as it does outside of a transaction block;
42501 the caller may not make changes.
Example: BEGIN;
SELECT lifecycle.begin_migration(''001_schema_optimization'');
SELECT * FROM lifecycle.apply_migration(''a'', ARRAY[''CREATE TABLE public.a (id int)''],
    ARRAY[''DROP TABLE public.a'']);
SELECT lifecycle.end_migration();
COMMIT;';
