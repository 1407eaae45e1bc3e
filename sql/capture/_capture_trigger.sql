CREATE FUNCTION lifecycle._capture_trigger_name(consumer name, event text) RETURNS name
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN lifecycle._name(ARRAY['capture', consumer::text], event);
END
$fn$;
COMMENT ON FUNCTION lifecycle._capture_trigger_name(name, text) IS 'The name of a trigger of a capture.';

-- ONLY, where the trigger is not cloned: before PostgreSQL 16 ALTER TABLE looks for the same name on every partition.
CREATE FUNCTION lifecycle._enable_trigger(relation text, trigger_name name, event text, enable_always boolean)
RETURNS text LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('ALTER TABLE %s%s ENABLE %sTRIGGER %I', CASE WHEN event = 'change' THEN '' ELSE 'ONLY ' END, relation,
        CASE WHEN enable_always THEN 'ALWAYS ' ELSE '' END, trigger_name)
$fn$;
COMMENT ON FUNCTION lifecycle._enable_trigger(text, name, text, boolean) IS 'The statement that enables a trigger.';

-- A trigger with transition tables has one event, so a table gets four of them. They have no inverse and no address of
-- their own: tables and triggers are renamed, dropped and made again, partitions come and go. What undoes them all,
-- wherever they are by then, is DROP FUNCTION ... CASCADE; what verifies them is lifecycle.capture_status().
CREATE FUNCTION lifecycle._capture_trigger_step(
    relation text, queue text, consumer name, event text, enable_always boolean
) RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('create trigger', format('capture trigger %I on %s', t.name, relation),
        format('CREATE TRIGGER %I AFTER %s ON %s%s EXECUTE FUNCTION %s()', t.name,
            CASE event WHEN 'change' THEN 'INSERT OR UPDATE OR DELETE' ELSE upper(event) END, relation,
            CASE event
                WHEN 'insert' THEN ' REFERENCING NEW TABLE AS lifecycle_new FOR EACH STATEMENT'
                WHEN 'update' THEN ' REFERENCING OLD TABLE AS lifecycle_old NEW TABLE AS lifecycle_new'
                    || ' FOR EACH STATEMENT'
                WHEN 'delete' THEN ' REFERENCING OLD TABLE AS lifecycle_old FOR EACH STATEMENT'
                WHEN 'change' THEN ' FOR EACH ROW'
                ELSE ' FOR EACH STATEMENT'
            END,
            queue)
        || CASE WHEN enable_always THEN '; ' || lifecycle._enable_trigger(relation, t.name, event, true) ELSE '' END)
    FROM (SELECT lifecycle._capture_trigger_name(consumer, event) AS name) AS t
$fn$;
COMMENT ON FUNCTION lifecycle._capture_trigger_step(text, text, name, text, boolean) IS
'The step that makes one trigger of a capture.';

CREATE FUNCTION lifecycle._capture_events(trigger_level text, is_source boolean) RETURNS text[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN CASE
        WHEN trigger_level = 'statement' THEN ARRAY['insert', 'update', 'delete', 'truncate']
        WHEN is_source THEN ARRAY['change', 'truncate']
        -- PostgreSQL clones a row trigger to every partition; there is none for TRUNCATE.
        ELSE ARRAY['truncate']
    END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._capture_events(text, boolean) IS
'The triggers that the source, or a partition of it, needs.';
