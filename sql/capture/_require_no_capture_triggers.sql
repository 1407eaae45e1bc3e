CREATE FUNCTION lifecycle._require_no_capture_triggers(target regclass, consumer name, trigger_level text)
RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_trigger record;
BEGIN
    IF coalesce(consumer, '') = '' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = 'a capture needs a consumer',
            HINT = 'Name who will read the queue, for example ''search_index''.';
    END IF;
    SELECT t.tgname, t.tgrelid::regclass AS relation, t.tgfoid::regproc AS routine INTO v_trigger
    FROM pg_trigger AS t
    WHERE t.tgrelid = ANY (target::oid || lifecycle._partitions(target))
        AND t.tgname = ANY (ARRAY(SELECT lifecycle._capture_trigger_name(consumer, e.event)
            FROM unnest(lifecycle._capture_events(trigger_level, true)) AS e (event)))
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_object',
            MESSAGE = format('%s has a trigger %I already', v_trigger.relation, v_trigger.tgname),
            DETAIL = 'It was left by a capture that this installation does not know.',
            HINT = format('If so, DROP FUNCTION %s() CASCADE and DROP TABLE %1$s. Else choose another consumer.',
                v_trigger.routine);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_no_capture_triggers(regclass, name, text) IS
'Raises 22023 without a consumer, 42710 when its triggers are there already.';
