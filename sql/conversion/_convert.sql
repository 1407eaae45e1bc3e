-- The work between start and swap, a slice at a time. Each slice leaves a state from which the next one goes on.
CREATE FUNCTION lifecycle._make_leaves(conversion lifecycle.located_conversion, condition text) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row constant lifecycle.conversion := conversion.conversion;
    v_levels constant jsonb[] := lifecycle._levels(v_row.levels);
    v_path constant text := v_row.options ->> 'search_path';
    v_steps lifecycle.plan_step[];
BEGIN
    v_steps := lifecycle._plan_leaves(conversion.source, conversion.partitioned::text, conversion.partitioned,
        (SELECT c.relname FROM pg_class AS c WHERE c.oid = conversion.source), v_levels,
        lifecycle._conversion_census(conversion.source, v_levels, v_row.options ->> 'time_zone', condition),
        v_row.options - 'premake', '{}');
    PERFORM lifecycle._run_steps(v_steps, v_path);
    -- The tables before them get theirs at the end; these may come after it.
    PERFORM lifecycle._run_steps(lifecycle._dress_relation(conversion.source, (lifecycle._address(s.object)).object_id,
        false), v_path)
    FROM unnest(v_steps) AS s
    WHERE s.action = 'create partition';
    -- None as long as rows are copied.
    PERFORM lifecycle._run_steps(lifecycle._leaf_key_steps(conversion.partitioned, c.oid::regclass::text), v_path)
    FROM unnest(v_steps) AS s
    JOIN pg_class AS c ON c.oid = (lifecycle._address(s.object)).object_id AND c.relkind = 'r'
    WHERE s.action = 'create partition';
    RETURN cardinality(v_steps) > 0;
END
$fn$;
COMMENT ON FUNCTION lifecycle._make_leaves(lifecycle.located_conversion, text) IS
'Makes the partitions that some rows of the source need; whether one was missing.';

-- Everything from the beginning, into a new table without any index. The one on the root takes those of the partitions
-- along; the others had not been adopted yet.
CREATE FUNCTION lifecycle._drop_indexes(partitioned regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_relation regclass;
    v_index regclass;
    v_name name;
BEGIN
    FOR v_relation, v_index, v_name IN
        SELECT i.indrelid::regclass, i.indexrelid::regclass, k.conname
        FROM pg_index AS i LEFT JOIN pg_constraint AS k ON k.conindid = i.indexrelid AND k.conrelid = i.indrelid
        WHERE i.indrelid = ANY (partitioned::oid || lifecycle._partitions(partitioned))
            AND NOT EXISTS (SELECT FROM pg_inherits AS h WHERE h.inhrelid = i.indexrelid)
    LOOP
        IF v_name IS NULL THEN
            EXECUTE format('DROP INDEX %s', v_index);
        ELSE
            EXECUTE format('ALTER TABLE %s DROP CONSTRAINT %I', v_relation, v_name);
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drop_indexes(regclass) IS 'Drops all indexes of a partitioned table.';

-- A TRUNCATE, rows that were moved to another file, or changes that may have been missed. What is queued until now says
-- nothing more: every row is read later than this.
CREATE FUNCTION lifecycle._restart_conversion(conversion lifecycle.located_conversion, problem text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row constant lifecycle.conversion := conversion.conversion;
BEGIN
    IF problem IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('the capture of %s cannot be relied on: %s', v_row.source, problem),
            HINT = format('SELECT * FROM lifecycle.sync_capture(%L), then go on: everything is copied again.',
                v_row.source);
    ELSIF v_row.phase = 'swapped' THEN
        PERFORM lifecycle._move_rows(format('DELETE FROM %s', conversion.source), v_row.options ->> 'search_path');
        PERFORM lifecycle._copy_blocks(conversion.partitioned, conversion.source, NULL, NULL,
            v_row.options ->> 'search_path');
        RETURN;
    END IF;
    RAISE NOTICE 'every row of % may have changed (TRUNCATE) or moved (VACUUM FULL): the copy begins anew',
        v_row.source;
    PERFORM lifecycle._lock_target(v_row.queue::regclass);
    EXECUTE format('DELETE FROM %s', v_row.queue::regclass);
    EXECUTE format('TRUNCATE %s', conversion.partitioned);
    DELETE FROM lifecycle.partition_leaf_key AS k WHERE k.parent_oid = conversion.partitioned;
    PERFORM lifecycle._drop_indexes(conversion.partitioned);
    UPDATE lifecycle.conversion AS c SET phase = 'copy', filenode = NULL, blocks_done = 0, rows_copied = 0,
        copy_started_at = NULL, copied_at = NULL
    WHERE c.conversion_id = v_row.conversion_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle._restart_conversion(lifecycle.located_conversion, text) IS
'Empties the copy and begins anew (after the swap: fills the old table again), or raises 55000 when the capture is
broken.';

CREATE FUNCTION lifecycle._copy_with_leaves(
    conversion lifecycle.located_conversion, first_block bigint, last_block bigint
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_copied bigint;
BEGIN
    LOOP
        BEGIN
            v_copied := lifecycle._copy_blocks(conversion.source, conversion.partitioned, first_block, last_block,
                (conversion.conversion).options ->> 'search_path',
                coalesce((conversion.conversion).options ->> 'predicate', 'true'));
            EXIT;
        EXCEPTION WHEN check_violation THEN
            IF NOT lifecycle._make_leaves(conversion, lifecycle._block_condition(first_block, last_block)) THEN
                RAISE;
            END IF;
        END;
    END LOOP;
    RETURN v_copied;
END
$fn$;
COMMENT ON FUNCTION lifecycle._copy_with_leaves(lifecycle.located_conversion, bigint, bigint) IS
'Copies some blocks, and makes the partitions that their rows need.';

-- The last block is that of the beginning: what comes behind it is written after the capture began, so it is queued. So
-- is what a row leaves behind that moves. The lock keeps the rows where they are for as long as they are read.
CREATE FUNCTION lifecycle._copy_once(conversion lifecycle.located_conversion, batch_size integer) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row constant lifecycle.conversion := conversion.conversion;
    v_total bigint := v_row.blocks_total;
    v_until bigint;
    v_copied bigint;
    v_file oid;
BEGIN
    -- Rows and position are lost together, if at all.
    PERFORM set_config('synchronous_commit', 'off', true);
    EXECUTE format('LOCK TABLE ONLY %s IN ACCESS SHARE MODE', conversion.source);
    v_file := pg_relation_filenode(conversion.source);
    IF v_row.filenode IS NULL THEN
        v_total := pg_relation_size(conversion.source) / current_setting('block_size')::integer;
    ELSIF v_row.filenode <> v_file THEN
        PERFORM lifecycle._restart_conversion(conversion, NULL);
        RETURN;
    ELSIF v_row.blocks_done >= v_total THEN
        PERFORM lifecycle._forget_keys(v_row.queue::regclass, conversion.partitioned, v_row.key_columns,
            v_row.options ->> 'search_path');
        UPDATE lifecycle.conversion AS c SET phase = 'index', copied_at = clock_timestamp()
        WHERE c.conversion_id = v_row.conversion_id;
        RETURN;
    END IF;
    v_until := least(v_total, v_row.blocks_done + lifecycle._batch_blocks(conversion.source, batch_size));
    v_copied := lifecycle._copy_with_leaves(conversion, v_row.blocks_done, v_until);
    UPDATE lifecycle.conversion AS c SET filenode = v_file, blocks_done = v_until, blocks_total = v_total,
        rows_copied = c.rows_copied + v_copied, copy_started_at = coalesce(c.copy_started_at, now())
    WHERE c.conversion_id = v_row.conversion_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle._copy_once(lifecycle.located_conversion, integer) IS
'Copies the next blocks and writes down the position; behind the last one: takes out of the copy what was written
meanwhile.';

CREATE FUNCTION lifecycle._replay_forward(
    conversion lifecycle.located_conversion, max_rows integer,
    OUT entries bigint, OUT all_rows boolean, OUT problem text
) LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.* FROM lifecycle._replay(
        (conversion.conversion).queue::regclass, conversion.source, conversion.partitioned,
        (conversion.conversion).key_columns, (conversion.conversion).root_key,
        -- With keys of each partition for itself there is none to find a conflict by: the old key says what goes.
        CASE WHEN (conversion.conversion).options ->> 'key_mode' IS DISTINCT FROM 'leaf'
            THEN (conversion.conversion).root_key END, max_rows, (conversion.conversion).options ->> 'search_path',
        coalesce((conversion.conversion).options ->> 'predicate', 'true')) AS r
$fn$;
COMMENT ON FUNCTION lifecycle._replay_forward(lifecycle.located_conversion, integer) IS
'Replays captured keys into the new table.';

CREATE FUNCTION lifecycle._replay_backward(
    conversion lifecycle.located_conversion, max_rows integer,
    OUT entries bigint, OUT all_rows boolean, OUT problem text
) LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.* FROM lifecycle._replay(
        -- By the old key on both sides, whatever that costs: what goes under it must come back under it, all of it. Of
        -- two rows that share it now the second one then raises 23505, and nobody is given up for the other.
        (conversion.conversion).queue::regclass, conversion.partitioned, conversion.source,
        (conversion.conversion).key_columns, (conversion.conversion).key_columns, NULL, max_rows,
        (conversion.conversion).options ->> 'search_path') AS r
$fn$;
COMMENT ON FUNCTION lifecycle._replay_backward(lifecycle.located_conversion, integer) IS
'Replays captured keys of the new table into the old one.';

-- A value that went from one row to another can be taken still while the entry of the row that gave it up comes later:
-- then all entries are taken together. A row without a partition gets one.
CREATE FUNCTION lifecycle._replay_once(conversion lifecycle.located_conversion, max_rows integer) RETURNS bigint
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row constant lifecycle.conversion := conversion.conversion;
    v_swapped constant boolean := v_row.phase = 'swapped';
    v_rows integer := max_rows;
    v_done record;
BEGIN
    FOR v_attempt IN 1..10 LOOP
        BEGIN
            IF v_swapped THEN
                SELECT r.* INTO v_done FROM lifecycle._replay_backward(conversion, v_rows) AS r;
            ELSE
                SELECT r.* INTO v_done FROM lifecycle._replay_forward(conversion, v_rows) AS r;
            END IF;
            EXIT;
        EXCEPTION
            WHEN unique_violation OR exclusion_violation THEN
                IF v_attempt = 10 THEN
                    RAISE;
                END IF;
                v_rows := 2147483647;
            WHEN check_violation THEN
                IF v_swapped OR v_attempt = 10 THEN
                    RAISE;
                END IF;
                IF NOT lifecycle._make_leaves(conversion, format('EXISTS (SELECT FROM %s AS q WHERE %s)', v_row.queue,
                    lifecycle._same_key(v_row.queue::regclass, v_row.key_columns, 'q', 't')))
                THEN
                    RAISE;
                END IF;
        END;
    END LOOP;
    IF v_done.all_rows THEN
        PERFORM lifecycle._restart_conversion(conversion, v_done.problem);
    END IF;
    IF v_done.entries > 0 OR v_row.blocked IS NOT NULL THEN
        UPDATE lifecycle.conversion AS c SET entries_replayed = c.entries_replayed + v_done.entries, blocked = NULL
        WHERE c.conversion_id = v_row.conversion_id;
    END IF;
    RETURN v_done.entries;
END
$fn$;
COMMENT ON FUNCTION lifecycle._replay_once(lifecycle.located_conversion, integer) IS
'Takes entries out of the queue of a conversion, in the direction of its phase; returns how many.';

-- An index is built partition by partition; the one on the root then adopts them all. The key comes first: with it the
-- queue can be replayed.
CREATE FUNCTION lifecycle._missing_index(
    conversion lifecycle.located_conversion, OUT index_oid oid, OUT relation regclass, OUT index_name name,
    OUT is_key boolean
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT i.indexrelid, r.relation, r.name, i.indexrelid = y.index_oid
    FROM lifecycle._row_key(conversion.source) AS y
    CROSS JOIN pg_index AS i
    JOIN pg_class AS o ON o.oid = i.indexrelid
    CROSS JOIN LATERAL (SELECT lifecycle._is_leaf_key(i.indexrelid, lifecycle._levels((conversion.conversion).levels),
        (conversion.conversion).options ->> 'key_mode') AS is_key OFFSET 0) AS l
    CROSS JOIN LATERAL (
        SELECT c.oid AS relation, true AS is_leaf, CASE WHEN l.is_key
            THEN lifecycle._leaf_key_name(c.relname, o.relname)
            ELSE lifecycle._name(ARRAY[c.relname::text], left(md5(i.indexrelid::text), 8)) END AS name
        FROM pg_class AS c WHERE c.oid = ANY (lifecycle._partitions(conversion.partitioned)) AND c.relkind = 'r'
        UNION ALL
        SELECT conversion.partitioned, false, lifecycle._new_index_name(i.indexrelid) WHERE NOT l.is_key
    ) AS r
    WHERE i.indrelid = conversion.source
        -- An exclusion constraint of the root adopts none.
        AND NOT (i.indisexclusion AND r.is_leaf AND NOT l.is_key)
        AND NOT EXISTS (SELECT FROM pg_index AS x JOIN pg_class AS n ON n.oid = x.indexrelid
            WHERE x.indrelid = r.relation AND n.relname = r.name)
        AND NOT EXISTS (SELECT FROM pg_index AS x JOIN pg_class AS n ON n.oid = x.indexrelid
            WHERE x.indrelid = conversion.partitioned AND n.relname = lifecycle._new_index_name(i.indexrelid))
    ORDER BY i.indexrelid <> y.index_oid, i.indexrelid, NOT r.is_leaf, r.relation
    LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._missing_index(lifecycle.located_conversion) IS
'The next index that the new table lacks: that of the old one which it follows, its table and name; NULL when all
stand. is_key: without it the queue cannot be replayed.';

CREATE FUNCTION lifecycle._next_index(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._index_statement(m.index_oid, m.relation::text, m.index_name,
        CASE WHEN (conversion.conversion).options ->> 'key_mode' = 'leaf' THEN '{}'::jsonb[]
            ELSE lifecycle._levels((conversion.conversion).levels) END)
    FROM lifecycle._missing_index(conversion) AS m WHERE m.index_oid IS NOT NULL
$fn$;
COMMENT ON FUNCTION lifecycle._next_index(lifecycle.located_conversion) IS
'The step that builds the next index of the new table; NULL when all stand.';

-- While rows are copied nothing is replayed, the copy has no index to find them by.
CREATE FUNCTION lifecycle._can_replay(conversion lifecycle.located_conversion) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE (conversion.conversion).phase WHEN 'copy' THEN false
        WHEN 'index' THEN (SELECT m.is_key IS NOT TRUE FROM lifecycle._missing_index(conversion) AS m) ELSE true END
$fn$;
COMMENT ON FUNCTION lifecycle._can_replay(lifecycle.located_conversion) IS
'Whether the table that the queue is replayed into has its key.';

CREATE FUNCTION lifecycle._index_once(conversion lifecycle.located_conversion) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_step constant lifecycle.plan_step := lifecycle._next_index(conversion);
BEGIN
    IF v_step.statement IS NOT NULL THEN
        PERFORM lifecycle._run_steps(ARRAY[v_step], (conversion.conversion).options ->> 'search_path');
        RETURN;
    END IF;
    INSERT INTO lifecycle.partition_leaf_key (parent, parent_oid, key_name)
    SELECT conversion.partitioned::text, conversion.partitioned, c.relname
    FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
    WHERE i.indrelid = conversion.source AND lifecycle._is_leaf_key(i.indexrelid,
        lifecycle._levels((conversion.conversion).levels), (conversion.conversion).options ->> 'key_mode')
    ON CONFLICT ON CONSTRAINT partition_leaf_key_pkey DO NOTHING;
    UPDATE lifecycle.conversion AS c SET phase = 'dress'
    WHERE c.conversion_id = (conversion.conversion).conversion_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle._index_once(lifecycle.located_conversion) IS
'Builds one index of the new table, or goes on to the next phase when all stand.';

CREATE FUNCTION lifecycle._conversion_migration(conversion lifecycle.located_conversion) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT max(s.migration_id) FROM lifecycle.migration_step AS s
    WHERE s.action = 'register conversion' AND s.object = 'conversion of ' || (conversion.conversion).source
        -- A step may name whatever its writer likes.
        AND s.status = 'done' AND s.applied_by = (conversion.conversion).started_by
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_migration(lifecycle.located_conversion) IS
'The journaled migration that began a conversion.';

CREATE FUNCTION lifecycle._convert_once(target regclass, batch_size integer, is_braked boolean DEFAULT false)
RETURNS lifecycle.conversion_state LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_conversion lifecycle.located_conversion := lifecycle._fence_conversion(target);
    v_phase constant text := (v_conversion.conversion).phase;
    v_waiting bigint;
BEGIN
    IF v_phase <> 'swapped' THEN
        PERFORM lifecycle._require_same_source(v_conversion);
    END IF;
    IF (v_conversion.conversion).last_error IS NOT NULL THEN
        UPDATE lifecycle.conversion AS c SET last_error = NULL, last_sqlstate = NULL, last_error_at = NULL
        WHERE c.conversion_id = (v_conversion.conversion).conversion_id;
    END IF;
    IF lifecycle._can_replay(v_conversion) THEN
        EXECUTE format('SELECT count(*) FROM %s', (v_conversion.conversion).queue) INTO v_waiting;
    END IF;
    IF v_waiting > 0 OR v_phase IN ('ready', 'swapped') THEN
        -- Of a long queue much at once: to find the oldest entries takes a look at all, and hot rows are in it often.
        PERFORM lifecycle._replay_once(v_conversion, least(greatest(batch_size, v_waiting / 2), 1000000)::integer);
        v_conversion := lifecycle._conversion(target);
    END IF;
    CASE WHEN is_braked OR (v_conversion.conversion).phase <> v_phase OR v_phase = 'ready' THEN
        NULL;
    WHEN v_phase = 'swapped' THEN
        PERFORM lifecycle._settle_swap(v_conversion);
    WHEN v_phase = 'copy' THEN
        -- The partitions that start_conversion has left pending.
        PERFORM lifecycle._run_journaled(lifecycle._conversion_migration(v_conversion), 2);
        PERFORM lifecycle._copy_once(v_conversion, batch_size);
    WHEN v_phase = 'index' THEN
        PERFORM lifecycle._index_once(v_conversion);
    ELSE
        PERFORM lifecycle._dress(v_conversion);
    END CASE;
    RETURN lifecycle._conversion_state(lifecycle._conversion(target));
END
$fn$;
COMMENT ON FUNCTION lifecycle._convert_once(regclass, integer, boolean) IS
'One slice of a conversion: a batch of the queue and, unless braked, a range of rows, an index or the dress.';

-- What went wrong is written down where monitor_migration sees it; the caller commits, and raises it again.
CREATE FUNCTION lifecycle._try_convert(
    target regclass, batch_size integer, is_braked boolean DEFAULT false,
    OUT state lifecycle.conversion_state, OUT failure jsonb
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sqlstate text;
    v_message text;
    v_detail text;
    v_hint text;
BEGIN
    BEGIN
        state := lifecycle._convert_once(target, batch_size, is_braked);
        RETURN;
    EXCEPTION WHEN OTHERS THEN
        GET STACKED DIAGNOSTICS v_sqlstate = RETURNED_SQLSTATE, v_message = MESSAGE_TEXT,
            v_detail = PG_EXCEPTION_DETAIL, v_hint = PG_EXCEPTION_HINT;
    END;
    failure := jsonb_build_object('sqlstate', v_sqlstate, 'message', v_message, 'detail', v_detail, 'hint', v_hint);
    -- Not that of another session, which is at the row.
    UPDATE lifecycle.conversion AS c SET last_error = v_message, last_sqlstate = v_sqlstate,
        last_error_at = clock_timestamp(),
        blocked = CASE WHEN c.phase = 'swapped' AND v_sqlstate LIKE '23%' THEN v_message ELSE c.blocked END
    WHERE c.conversion_id IN (
        SELECT l.conversion_id FROM lifecycle.conversion AS l
        WHERE target::oid IN (l.source_oid, l.partitioned_oid) AND l.ended_at IS NULL FOR UPDATE SKIP LOCKED);
END
$fn$;
COMMENT ON FUNCTION lifecycle._try_convert(regclass, integer, boolean) IS
'One slice, or what went wrong with it.';

CREATE FUNCTION lifecycle._raise_again(failure jsonb) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF failure IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = failure ->> 'sqlstate', MESSAGE = failure ->> 'message',
            -- An empty one would be shown.
            DETAIL = coalesce(nullif(failure ->> 'detail', ''), 'See lifecycle.monitor_migration().'),
            HINT = failure ->> 'hint';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._raise_again(jsonb) IS 'Raises an error that was caught and written down.';
