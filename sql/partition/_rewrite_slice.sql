-- One slice of a rewrite in the transaction of the caller: blocks of one source, or the queued keys of all. How far it
-- is commits with the rows.
CREATE FUNCTION lifecycle._copy_slice(
    rewrite lifecycle.partition_rewrite, place integer, batch_size integer, search_path text
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source constant regclass := rewrite.sources[place]::regclass;
    v_file constant oid := pg_relation_filenode(v_source);
    v_first bigint := rewrite.blocks_done[place];
    v_last bigint := rewrite.blocks_total[place];
    v_until bigint;
    v_rows bigint;
BEGIN
    IF rewrite.filenodes[place] IS DISTINCT FROM v_file THEN
        -- First slice, or VACUUM FULL and its like have moved every row: whatever was copied stays, the rest comes.
        v_first := 0;
        v_last := pg_relation_size(v_source) / current_setting('block_size')::integer;
    END IF;
    v_until := least(v_last, v_first + lifecycle._batch_blocks(v_source, batch_size));
    v_rows := lifecycle._copy_blocks(v_source, rewrite.staging::regclass, v_first, v_until, _copy_slice.search_path,
        skip_present => true);
    UPDATE lifecycle.partition_rewrite AS r
    SET blocks_done[place] = v_until, blocks_total[place] = v_last, filenodes[place] = v_file,
        rows_copied = r.rows_copied + v_rows
    WHERE r.staging = rewrite.staging;
    RETURN v_rows;
END
$fn$;
COMMENT ON FUNCTION lifecycle._copy_slice(lifecycle.partition_rewrite, integer, integer, text) IS
'Copies about so many rows more of one source of a rewrite; returns how many.';

-- All rows may have changed (TRUNCATE): the copy of all sources begins again, empty.
CREATE FUNCTION lifecycle._restart_rewrite(staging text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    EXECUTE format('TRUNCATE %s', staging::regclass);
    UPDATE lifecycle.partition_rewrite AS r
    SET blocks_done = array_fill(0::bigint, ARRAY[cardinality(r.sources)]), rows_copied = 0, analyzed = false,
        filenodes = array_fill(NULL::oid, ARRAY[cardinality(r.sources)])
    WHERE r.staging = _restart_rewrite.staging;
END
$fn$;
COMMENT ON FUNCTION lifecycle._restart_rewrite(text) IS 'Empties the new partitions of a rewrite and begins again.';

-- Everything that is queued, at once: of two rows of which one takes the unique value of the other, the one that gives
-- it up was written first, so it is in this round as well. A row that still cannot be written has been written once
-- more since, and comes again; under the lock, in the last round, there is none.
CREATE FUNCTION lifecycle._replay_source(
    rewrite lifecycle.partition_rewrite, place integer, is_last boolean, search_path text
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_queue constant regclass := rewrite.queues[place]::regclass;
    v_key constant name[] := ARRAY(SELECT a.attname FROM pg_attribute AS a
        WHERE a.attrelid = v_queue AND a.attnum > 2 AND NOT a.attisdropped ORDER BY a.attnum);
    v_done record;
BEGIN
    SELECT r.* INTO v_done FROM lifecycle._replay(v_queue, rewrite.sources[place]::regclass, rewrite.staging::regclass,
        v_key, v_key, CASE WHEN NOT is_last THEN '{}'::name[] END, 2147483647, _replay_source.search_path) AS r;
    RETURN CASE WHEN v_done.all_rows THEN -1 ELSE v_done.entries END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._replay_source(lifecycle.partition_rewrite, integer, boolean, text) IS
'Empties the queue of one source of a rewrite into the new partitions; returns the number of entries, -1 when every row
may have changed, so that the copy has to begin afresh. is_last: the source is locked.';

-- A row that was skipped because another one has its key, and was not written since, would be lost: that is only
-- possible where the old partition breaks a unique key itself. In one snapshot, what is not copied is in the queues.
CREATE FUNCTION lifecycle._require_complete(rewrite lifecycle.partition_rewrite) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_lost bigint;
BEGIN
    EXECUTE format('SELECT (SELECT count(*) FROM (%s) AS s) - (SELECT count(*) FROM %s)%s',
        (SELECT string_agg(format('SELECT FROM ONLY %s', s::regclass), ' UNION ALL ')
         FROM unnest(rewrite.sources) AS s), rewrite.staging::regclass,
        (SELECT string_agg(format(' - (SELECT count(*) FROM %s)', q::regclass), '') FROM unnest(rewrite.queues) AS q))
        INTO v_lost;
    IF v_lost > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'unique_violation',
            MESSAGE = format('%s rows of %s do not fit into the new partitions', v_lost,
                array_to_string(rewrite.sources, ', ')),
            DETAIL = 'They break a unique key of the table: an index of the partition is not valid, or lacks.',
            HINT = 'Roll this change back, repair the rows, REINDEX the partition, and begin again.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_complete(lifecycle.partition_rewrite) IS
'Raises 23505 when rows of the old partitions are neither in the new ones nor in the queues.';

CREATE FUNCTION lifecycle._rewrite_slice(staging text, batch_size integer, search_path text) RETURNS jsonb
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_rewrite lifecycle.partition_rewrite;
    v_place integer;
    v_entries bigint;
    v_changed bigint := 0;
BEGIN
    SELECT r.* INTO v_rewrite FROM lifecycle.partition_rewrite AS r WHERE r.staging = _rewrite_slice.staging
    FOR UPDATE NOWAIT;
    SELECT s.place INTO v_place
    FROM unnest(v_rewrite.sources, v_rewrite.filenodes, v_rewrite.blocks_done, v_rewrite.blocks_total)
        WITH ORDINALITY AS s (source, filenode, done, total, place)
    WHERE s.filenode IS DISTINCT FROM pg_relation_filenode(s.source::regclass) OR s.done < s.total
    ORDER BY s.place
    LIMIT 1;
    IF FOUND THEN
        RETURN jsonb_build_object('status', 'copying',
            'rows', lifecycle._copy_slice(v_rewrite, v_place, batch_size, _rewrite_slice.search_path));
    END IF;
    FOR v_queue IN 1..cardinality(v_rewrite.queues) LOOP
        v_entries := lifecycle._replay_source(v_rewrite, v_queue, false, _rewrite_slice.search_path);
        IF v_entries < 0 THEN
            PERFORM lifecycle._restart_rewrite(staging);
            RETURN jsonb_build_object('status', 'copying', 'rows', 0);
        END IF;
        v_changed := v_changed + v_entries;
    END LOOP;
    IF NOT v_rewrite.analyzed AND cardinality(v_rewrite.queues) > 0 THEN
        PERFORM lifecycle._require_complete(v_rewrite);
        EXECUTE format('ANALYZE %s', v_rewrite.staging::regclass);
        UPDATE lifecycle.partition_rewrite AS r SET analyzed = true WHERE r.staging = _rewrite_slice.staging;
        RETURN jsonb_build_object('status', 'replaying', 'rows', v_changed);
    END IF;
    RETURN jsonb_build_object('rows', v_changed, 'status',
        CASE WHEN v_changed > lifecycle.setting('partition_rewrite_backlog')::bigint THEN 'replaying' ELSE 'ready' END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._rewrite_slice(text, integer, text) IS
'Does one slice of a rewrite; returns jsonb: status (copying, replaying, or ready for the exchange) and rows.';

-- The stage between: what run_pending runs, and what is left to do at once.
CREATE FUNCTION lifecycle._rewrite_rows(staging text, search_path text DEFAULT current_setting('search_path'))
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_slice jsonb;
BEGIN
    LOOP
        v_slice := lifecycle._rewrite_slice(staging, 1000000, _rewrite_rows.search_path);
        EXIT WHEN v_slice ->> 'status' = 'ready';
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rewrite_rows(text, text) IS 'Copies what is left of a rewrite, in one transaction.';

-- The last round, behind the locks of the exchange: few rows, or the locks are let go again.
CREATE FUNCTION lifecycle._finish_copy(staging text, search_path text DEFAULT current_setting('search_path'))
RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_rewrite lifecycle.partition_rewrite;
    v_limit constant bigint := lifecycle.setting('partition_rewrite_backlog')::bigint;
    v_entries bigint := 0;
    v_waiting bigint;
BEGIN
    SELECT r.* INTO v_rewrite FROM lifecycle.partition_rewrite AS r WHERE r.staging = _finish_copy.staging;
    PERFORM lifecycle._lock_rewrite(v_rewrite.parent::regclass, v_rewrite.sources::regclass[], true, true, false);
    IF cardinality(v_rewrite.queues) = 0 THEN
        PERFORM lifecycle._require_complete(v_rewrite);
    END IF;
    FOR v_place IN 1..cardinality(v_rewrite.queues) LOOP
        EXECUTE format('SELECT count(*) FROM (SELECT FROM %s LIMIT %s) AS q', v_rewrite.queues[v_place]::regclass,
            v_limit + 1) INTO v_waiting;
        IF v_waiting <= v_limit THEN
            v_entries := lifecycle._replay_source(v_rewrite, v_place, true, _finish_copy.search_path);
        END IF;
        IF v_waiting > v_limit OR v_entries < 0 THEN
            RAISE EXCEPTION USING
                ERRCODE = 'object_in_use',
                MESSAGE = format('more rows of %s have changed than can be copied under the lock',
                    v_rewrite.sources[v_place]),
                DETAIL = format('lifecycle.partition_rewrite_backlog is %s.', v_limit),
                HINT = format('CALL lifecycle.rewrite_partitions(%L) copies them first.', v_rewrite.parent);
        END IF;
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._finish_copy(text, text) IS
'Locks what a rewrite exchanges and copies the rows written last; raises 55P03, or 55006 when they are too many.';
