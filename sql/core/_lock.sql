-- One try: the first lock with patience, the others at once or not at all, so that nothing is waited for with a lock
-- in hand. Partitioned tables come first: who writes through one holds it, so that behind its lock the partitions are
-- free, while in the other order it would never be.
CREATE FUNCTION lifecycle._lock_once(relations regclass[], modes text[], required boolean[]) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_timeout constant text := current_setting('lock_timeout');
    v_relation record;
BEGIN
    FOR v_relation IN
        SELECT string_agg('ONLY ' || l.relation, ', ' ORDER BY l.place) AS list, l.mode, l.required,
            min(l.place) AS place
        FROM (
            SELECT r.relation, r.mode, r.required, row_number() OVER (ORDER BY c.relkind, r.relation::oid) AS place
            FROM unnest(relations, modes, required) AS r (relation, mode, required)
            JOIN pg_class AS c ON c.oid = r.relation AND c.relkind IN ('r', 'p')
        ) AS l
        GROUP BY l.mode, l.required, CASE WHEN l.place = 1 OR NOT l.required THEN l.place END
        ORDER BY place
    LOOP
        PERFORM set_config(
            'lock_timeout', CASE WHEN v_relation.place = 1 THEN lifecycle._lock_wait() ELSE '1ms' END, true
        );
        BEGIN
            EXECUTE format('LOCK TABLE %s IN %s MODE%s', v_relation.list, v_relation.mode,
                CASE WHEN v_relation.place = 1 THEN '' ELSE ' NOWAIT' END);
        EXCEPTION WHEN insufficient_privilege THEN
            -- A referenced table needs only the REFERENCES privilege, which LOCK does not accept: there the DDL is the
            -- lock.
            IF v_relation.required THEN
                RAISE;
            END IF;
        END;
    END LOOP;
    PERFORM set_config('lock_timeout', v_timeout, true);
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_once(regclass[], text[], boolean[]) IS
'Locks relations, partitioned ones first: the first under lock_timeout, the others NOWAIT.';

-- Lock first, plan afterwards: a plan made before the lock can miss what another session has just committed. A set that
-- is not free is let go whole and tried again.
CREATE FUNCTION lifecycle._lock_all(
    target regclass, relations regclass[], modes text[], required boolean[], dry_run boolean
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_attempts integer;
    v_holders text;
BEGIN
    IF dry_run THEN
        RETURN;
    END IF;
    PERFORM lifecycle._require_read_committed();
    IF target IS NOT NULL THEN
        PERFORM lifecycle._lock_target(target);
    END IF;
    v_attempts := lifecycle.setting('lock_attempts')::integer;
    FOR v_attempt IN 1..v_attempts LOOP
        BEGIN
            PERFORM lifecycle._lock_once(relations, modes, required);
            RETURN;
        EXCEPTION WHEN lock_not_available OR deadlock_detected THEN
            v_holders := lifecycle._lock_holders(relations::oid[]);
        END;
        IF v_attempt < v_attempts THEN
            PERFORM lifecycle._pause();
        END IF;
    END LOOP;
    RAISE EXCEPTION USING
        ERRCODE = 'lock_not_available',
        MESSAGE = format('could not lock %s in %s tries', array_to_string(relations, ', '), v_attempts),
        DETAIL = coalesce(v_holders, 'Its holder has gone by now.'),
        HINT = 'Nothing was changed. End the long transaction, or raise lifecycle.lock_attempts, and try again.';
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_all(regclass, regclass[], text[], boolean[], boolean) IS
'Takes every lock of a change, each in its mode, before it is planned, with retries; does nothing in a dry run. Raises
55P03 naming object and holder, 25000 under an isolation level other than READ COMMITTED.';

CREATE FUNCTION lifecycle._lock(
    relations regclass[],
    mode text,
    dry_run boolean,
    neighbours regclass[] DEFAULT '{}',
    neighbour_mode text DEFAULT 'SHARE ROW EXCLUSIVE'
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    -- What takes ACCESS EXCLUSIVE on a partitioned table takes it on each partition too.
    v_relations constant regclass[] := ARRAY(
        SELECT r FROM unnest(relations) AS r
        UNION
        SELECT p::regclass FROM unnest(relations) AS r CROSS JOIN LATERAL unnest(lifecycle._partitions(r)) AS p
        WHERE mode = 'ACCESS EXCLUSIVE'
    );
    v_neighbours constant regclass[] := ARRAY(SELECT DISTINCT n FROM unnest(neighbours) AS n
        WHERE n <> ALL (v_relations));
BEGIN
    PERFORM lifecycle._lock_all(
        relations[1],
        v_relations || v_neighbours,
        array_fill(mode, ARRAY[cardinality(v_relations)])
            || array_fill(neighbour_mode, ARRAY[cardinality(v_neighbours)]),
        array_fill(true, ARRAY[cardinality(v_relations)]) || array_fill(false, ARRAY[cardinality(v_neighbours)]),
        dry_run
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock(regclass[], text, boolean, regclass[], text) IS
'Takes the locks of a change on the first of these relations: one mode for them, one for their neighbours.';
