-- Partitions of one table that are to go together. Who reads or refers to one of them keeps that one alone.
CREATE FUNCTION lifecycle._lock_each(relations regclass[], action text) RETURNS lifecycle.retired_set
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_retired lifecycle.retired_set := ROW(ARRAY[]::regclass[], ARRAY[]::lifecycle.step_result[]);
    v_relation regclass;
    v_sqlstate text;
    v_message text;
BEGIN
    FOREACH v_relation IN ARRAY relations LOOP
        BEGIN
            EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE NOWAIT', v_relation);
            v_retired.partitions := v_retired.partitions || v_relation;
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT;
            v_retired.failures := v_retired.failures || lifecycle._failed_step(v_relation, v_sqlstate, v_message,
                lifecycle._lock_holders(ARRAY[v_relation::oid]), _lock_each.action);
        END;
    END LOOP;
    RETURN v_retired;
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_each(regclass[], text) IS
'Locks those of some tables that are free at this moment; each of the others is a failure.';

CREATE FUNCTION lifecycle._lock_retired(
    parent regclass, partitions regclass[], action text, dry_run boolean
) RETURNS lifecycle.retired_set LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sqlstate text;
    v_message text;
    v_detail text;
BEGIN
    BEGIN
        PERFORM lifecycle._lock_detach(parent, partitions, dry_run);
        RETURN ROW(partitions, ARRAY[]::lifecycle.step_result[])::lifecycle.retired_set;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL;
    END;
    IF v_sqlstate = '55P03' AND cardinality(partitions) > 1 THEN
        BEGIN
            PERFORM lifecycle._lock_detach(parent, '{}', dry_run);
            RETURN lifecycle._lock_each(partitions, action);
        EXCEPTION WHEN OTHERS THEN
            GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
                v_detail = PG_EXCEPTION_DETAIL;
        END;
    END IF;
    RETURN ROW(ARRAY[]::regclass[], ARRAY[lifecycle._failed_step(parent, v_sqlstate, v_message, v_detail,
        _lock_retired.action)])::lifecycle.retired_set;
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_retired(regclass, regclass[], text, boolean) IS
'Takes the locks of a DETACH or DROP of some partitions, of all or of those that are free.';

CREATE FUNCTION lifecycle._retire(
    parent regclass, partitions regclass[], marks xid[], action text, is_locking boolean, dry_run boolean
) RETURNS lifecycle.retired_set LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_retired lifecycle.retired_set := ROW(partitions, ARRAY[]::lifecycle.step_result[]);
    v_changed regclass;
    v_key record;
BEGIN
    IF is_locking THEN
        v_retired := lifecycle._lock_retired(parent, partitions, action, dry_run);
    END IF;
    -- Who held the lock before may have given it other bounds. Attaching writes its row in pg_inherits anew.
    FOR v_changed IN
        SELECT p.partition FROM unnest(partitions, marks) AS p (partition, mark)
        WHERE p.partition = ANY (v_retired.partitions) AND NOT EXISTS (SELECT FROM pg_inherits AS i
            WHERE i.inhrelid = p.partition AND i.inhparent = parent AND i.xmin = p.mark)
    LOOP
        v_retired.partitions := array_remove(v_retired.partitions, v_changed);
        v_retired.failures := v_retired.failures || lifecycle._failed_step(v_changed, '55000',
            'it was detached or attached while its lock was waited for', NULL, _retire.action);
    END LOOP;
    FOR v_key IN
        SELECT DISTINCT ON (r.partition) r.* FROM lifecycle._referenced(parent, v_retired.partitions) AS r
        ORDER BY r.partition, r.key_name
    LOOP
        v_retired.partitions := array_remove(v_retired.partitions, v_key.partition);
        v_retired.failures := v_retired.failures || lifecycle._failed_step(v_key.partition, '23503',
            format('rows of %s refer to rows of %s', v_key.child, v_key.partition),
            format('The foreign key is %I.', v_key.key_name), _retire.action);
    END LOOP;
    RETURN v_retired;
END
$fn$;
COMMENT ON FUNCTION lifecycle._retire(regclass, regclass[], xid[], text, boolean, boolean) IS
'Locks partitions that are to go, and tells those that cannot.';
