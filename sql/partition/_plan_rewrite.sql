-- Refused before anything is done, with what to do instead.
CREATE FUNCTION lifecycle._require_rewritable(parent regclass, sources regclass[], is_staged boolean) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source regclass;
    v_found text;
BEGIN
    PERFORM lifecycle._require_owner(parent);
    v_found := (SELECT r.staging FROM lifecycle.partition_rewrite AS r
        WHERE r.origin = lifecycle._origin() AND r.parent_oid = _require_rewritable.parent::oid
            AND r.sources::regclass[] && _require_rewritable.sources);
    IF v_found IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'object_in_use',
            MESSAGE = format('partitions of %s are being rewritten already', parent),
            HINT = format('CALL lifecycle.rewrite_partitions(%L), or roll that change back.', parent);
    END IF;
    FOREACH v_source IN ARRAY sources LOOP
        PERFORM lifecycle._require_table(v_source);
        PERFORM lifecycle._require_owner(v_source);
        IF (SELECT c.relkind FROM pg_class AS c WHERE c.oid = v_source) <> 'r' THEN
            RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
                MESSAGE = format('%s is partitioned itself', v_source),
                HINT = 'Rewrite the partitions below it.';
        ELSIF row_security_active(v_source) THEN
            RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
                MESSAGE = format('row security hides rows of %s from %I', v_source, current_user),
                HINT = 'Connect as a role with BYPASSRLS.';
        ELSIF is_staged AND NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = v_source AND i.indisprimary) THEN
            RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
                MESSAGE = format('%s has no primary key', v_source),
                DETAIL = 'Rows that are written while it is copied could not be told apart.',
                HINT = 'Add one, or have it done under a lock: at_once => true, or the setting '
                    'partition_rewrite_at_once.';
        END IF;
        PERFORM lifecycle._require_unreferenced(parent, v_source);
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_rewritable(regclass, regclass[], boolean) IS
'Raises 42501, 0A000, 55000, 55006 or 23503 when partitions cannot be replaced.';

CREATE FUNCTION lifecycle._is_staged(sources regclass[], at_once boolean) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT NOT at_once AND sum(pg_table_size(s.source))
        > lifecycle.setting('partition_rewrite_at_once')::bigint * 1024 * 1024
    FROM unnest(sources) AS s (source)
$fn$;
COMMENT ON FUNCTION lifecycle._is_staged(regclass[], boolean) IS
'Whether partitions are too large to be replaced in one transaction.';

-- What is made for the time between, and gone when all is done: it has no address in the journal, so that nobody looks
-- for it afterwards.
CREATE FUNCTION lifecycle._passing_steps(steps lifecycle.plan_step[], stage integer) RETURNS lifecycle.plan_step[]
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(array_agg(lifecycle._step(s.action,
            CASE WHEN s.action IN ('create data schema', 'grant data schema usage') THEN s.object
                ELSE 'passing ' || s.object END,
            s.statement, s.inverse, _passing_steps.stage, note => s.note) ORDER BY s.place), '{}')
    FROM unnest(steps) WITH ORDINALITY
        AS s (step, old_stage, action, object, statement, inverse, top_level, note, place)
$fn$;
COMMENT ON FUNCTION lifecycle._passing_steps(lifecycle.plan_step[], integer) IS
'Steps of a rewrite whose objects do not last.';

CREATE FUNCTION lifecycle._staging_name(parent regclass, source regclass, is_staged boolean) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('%s.%I', CASE WHEN is_staged THEN 'lifecycle_data' ELSE quote_ident(n.nspname) END,
        lifecycle._name(ARRAY[s.relname::text], 'rewrite_' || source::oid))
    FROM pg_class AS s, pg_class AS p JOIN pg_namespace AS n ON n.oid = p.relnamespace
    WHERE s.oid = source AND p.oid = parent
$fn$;
COMMENT ON FUNCTION lifecycle._staging_name(regclass, regclass, boolean) IS
'The table under which new partitions stand meanwhile.';

CREATE FUNCTION lifecycle._new_partition_steps(
    parent regclass, sibling regclass, target lifecycle.new_partition, staging text, default_check text,
    exchange integer
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_check constant name := lifecycle._name(ARRAY[(parse_ident(target.identity))[2]], 'bounds');
    v_steps constant lifecycle.plan_step[] := lifecycle._partition_steps(parent, sibling, target.identity,
        target.bounds, NULL);
    v_attach constant integer := (SELECT s.place FROM unnest(v_steps) WITH ORDINALITY
        AS s (step, stage, action, object, statement, inverse, top_level, note, place)
        WHERE s.action = 'attach partition');
    v_object constant text := 'passing table ' || target.identity;
BEGIN
    RETURN v_steps[:v_attach - 1]
        || lifecycle._step('attach to staging', v_object,
            format('ALTER TABLE %s ATTACH PARTITION %s %s', staging, target.identity, target.bounds))
        || CASE
            WHEN target.bounds <> 'DEFAULT' THEN lifecycle._step('add bounds', v_object,
                format('SELECT lifecycle._add_bounds_check(%L, %L, %L)', target.identity, v_check, parent),
                note => 'spares the scan when it is attached')
            WHEN default_check IS NOT NULL THEN lifecycle._step('add bounds', v_object,
                format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s)', target.identity, v_check, default_check),
                note => 'spares the scan when it is attached')
        END
        || CASE WHEN target.bounds = 'DEFAULT' THEN lifecycle._guard_steps(sibling, target.identity) ELSE '{}' END
        || lifecycle._step('detach from staging', v_object,
            format('ALTER TABLE %s DETACH PARTITION %s', staging, target.identity), stage => exchange)
        || ARRAY(
            SELECT lifecycle._step(s.action, s.object, s.statement, s.inverse, exchange, note => s.note)
            FROM unnest(v_steps[v_attach:]) WITH ORDINALITY
                AS s (step, stage, action, object, statement, inverse, top_level, note, place)
            ORDER BY s.place)
        || CASE WHEN target.bounds <> 'DEFAULT' OR default_check IS NOT NULL THEN lifecycle._step('drop bounds',
            'table ' || target.identity,
            format('ALTER TABLE %s DROP CONSTRAINT %I', target.identity, v_check), stage => exchange) END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._new_partition_steps(
    regclass, regclass, lifecycle.new_partition, text, text, integer
) IS
'The steps that make one partition of a rewrite, and those that put it into its place.';

-- The triggers alone stop writers, for a moment: what they need is made before, and who copies comes behind them.
CREATE FUNCTION lifecycle._rewrite_capture_steps(source regclass, OUT queue text, OUT steps lifecycle.plan_step[])
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_steps constant lifecycle.plan_step[] := lifecycle._plan_capture(source, 'rewrite', NULL, 'row', true);
    v_first constant integer := (SELECT min(s.place) FROM unnest(v_steps) WITH ORDINALITY
        AS s (step, stage, action, object, statement, inverse, top_level, note, place)
        WHERE s.action = 'create trigger');
BEGIN
    queue := (SELECT substr(s.object, 7) FROM unnest(v_steps) AS s WHERE s.action = 'create queue');
    steps := lifecycle._passing_steps(v_steps[:v_first - 1], 1) || lifecycle._passing_steps(v_steps[v_first:], 2);
END
$fn$;
COMMENT ON FUNCTION lifecycle._rewrite_capture_steps(regclass) IS
'The steps that capture what is written to a partition while it is copied, and the queue they make.';

-- The new partitions are made beside the old ones; where these are large, changes are captured from then on; the rows
-- are copied; old and new are exchanged.
CREATE FUNCTION lifecycle._plan_rewrite(
    kind text, parent regclass, sources regclass[], targets lifecycle.new_partition[], is_staged boolean,
    default_check text DEFAULT NULL
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_staging constant text := lifecycle._staging_name(parent, sources[1], is_staged);
    v_object constant text := 'passing table ' || v_staging;
    v_source regclass;
    v_target lifecycle.new_partition;
    v_copy constant integer := CASE WHEN is_staged THEN 3 ELSE 2 END;
    v_capture record;
    v_queues text[] := ARRAY[]::text[];
    v_plan lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
    v_exchange lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
BEGIN
    IF is_staged THEN
        v_plan := lifecycle._passing_steps(lifecycle._data_schema_steps(), 1);
    END IF;
    v_plan := v_plan || lifecycle._step('create staging', v_object,
        format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING IDENTITY EXCLUDING STATISTICS) PARTITION BY %s',
            v_staging, parent, pg_get_partkeydef(parent)), format('DROP TABLE %s', v_staging));
    IF is_staged THEN
        v_plan := v_plan || lifecycle._step('lock for capture', 'passing rows of ' || v_staging,
            format('SELECT lifecycle._lock_capture(%L)', v_staging), stage => 2);
    END IF;
    FOREACH v_source IN ARRAY sources LOOP
        IF is_staged THEN
            v_capture := lifecycle._rewrite_capture_steps(v_source);
            v_queues := v_queues || v_capture.queue;
            v_plan := v_plan || v_capture.steps;
            v_exchange := v_exchange || lifecycle._step('end capture', 'passing capture of ' || v_source,
                format('DROP FUNCTION %1$s() CASCADE; DROP TABLE %1$s; '
                    'DELETE FROM lifecycle.capture WHERE queue OPERATOR(pg_catalog.=) %1$L',
                    v_queues[cardinality(v_queues)]), stage => v_copy + 1);
        END IF;
        v_exchange := v_exchange || lifecycle._step('detach partition', 'table ' || v_source,
            format('ALTER TABLE %s DETACH PARTITION %s', parent, v_source),
            format('ALTER TABLE %s ATTACH PARTITION %s %s', parent, v_source, lifecycle._partition_bounds(v_source)),
            v_copy + 1, note => 'keeps its rows until lifecycle.drop_archived_partitions')
            || CASE WHEN EXISTS (SELECT FROM pg_constraint AS k WHERE k.conrelid = v_source AND k.contype = 'f')
                THEN ARRAY[lifecycle._step('empty', 'passing rows of ' || v_source,
                    format('TRUNCATE ONLY %s', v_source), stage => v_copy + 1,
                    note => 'detached, they would keep the rows that they refer to from being deleted')]
                ELSE '{}' END
            || ARRAY(SELECT lifecycle._step(r.action, r.object, r.statement, r.inverse, v_copy + 1)
                FROM unnest(lifecycle._release_partition_steps(parent, v_source)) AS r);
    END LOOP;
    v_exchange := lifecycle._step('lock and catch up', 'passing rows of ' || v_staging,
        format('SELECT lifecycle._finish_copy(%L)', v_staging), stage => v_copy + 1) || v_exchange;
    v_plan := v_plan || lifecycle._step('register rewrite', 'passing rewrite of ' || parent,
            format('INSERT INTO lifecycle.partition_rewrite (staging, kind, parent, parent_oid, sources, queues, '
                'filenodes, blocks_done, blocks_total) VALUES (%L, %L, %L, %L::pg_catalog.regclass, %L, %L, %L, %8$L, '
                '%8$L)', v_staging, kind, parent, parent, sources::text[], v_queues,
                array_fill(NULL::oid, ARRAY[cardinality(sources)]), array_fill(0, ARRAY[cardinality(sources)])),
            format('DELETE FROM lifecycle.partition_rewrite WHERE staging OPERATOR(pg_catalog.=) %L', v_staging))
        || lifecycle._step('copy rows', 'passing rows of ' || v_staging,
            format('SELECT lifecycle._rewrite_rows(%L)', v_staging), stage => v_copy,
            note => pg_size_pretty((SELECT sum(pg_table_size(s)) FROM unnest(sources) AS s)))
        || v_exchange;
    FOREACH v_target IN ARRAY targets LOOP
        v_plan := v_plan || lifecycle._new_partition_steps(parent, sources[1], v_target, v_staging, default_check,
            v_copy + 1);
    END LOOP;
    RETURN v_plan
        || lifecycle._step('drop staging', v_object, format('DROP TABLE %s', v_staging),
            stage => v_copy + 1)
        || lifecycle._step('end rewrite', 'passing rewrite of ' || parent,
            format('DELETE FROM lifecycle.partition_rewrite WHERE staging OPERATOR(pg_catalog.=) %L', v_staging),
            stage => v_copy + 1);
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_rewrite(
    text, regclass, regclass[], lifecycle.new_partition[], boolean, text
) IS 'The plan that replaces partitions by others with the same rows.';
