-- Runs a statement under the settings that the view was made with.
CREATE FUNCTION lifecycle._run_under(settings jsonb, statement text) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET timezone = 'UTC' SET datestyle = iso SET intervalstyle = postgres SET extra_float_digits = 1 SET bytea_output = hex
SET default_text_search_config = simple AS $fn$
DECLARE
    v_setting record;
    v_inserted bigint;
    v_updated bigint;
    v_deleted bigint;
    v_doubtful bigint;
BEGIN
    -- The SET clause of this function puts all of them back.
    FOR v_setting IN SELECT e.key, e.value FROM jsonb_each_text(settings) AS e WHERE e.key <> 'search_path' LOOP
        PERFORM set_config(v_setting.key, v_setting.value, true);
    END LOOP;
    PERFORM set_config('search_path', settings ->> 'search_path', true);
    EXECUTE statement INTO v_inserted, v_updated, v_deleted, v_doubtful;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    RETURN ARRAY[v_inserted, v_updated, v_deleted, v_doubtful];
END
$fn$;
COMMENT ON FUNCTION lifecycle._run_under(jsonb, text) IS
'Runs a statement that returns four numbers, under these settings.';

-- From drained entries to distinct keys, one array literal a key column. Read by a later snapshot than the drain.
CREATE FUNCTION lifecycle._resolve_keys(
    view lifecycle.located_incremental, changes text[], only_keys text[],
    OUT keys text[], OUT key_count bigint, OUT has_nulls boolean
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET extra_float_digits = 1 SET datestyle = iso SET intervalstyle = iso_8601 AS $fn$
DECLARE
    v_parts text;
    v_names text;
    v_types text[];
BEGIN
    IF only_keys IS NOT NULL THEN
        keys := only_keys;
        key_count := cardinality(only_keys[1]::text[]);
        has_nulls := (SELECT bool_or(array_position(k::text[], NULL) > 0) FROM unnest(only_keys) AS k);
        RETURN;
    END IF;
    v_names := (SELECT string_agg('k' || g, ', ' ORDER BY g)
        FROM generate_series(1, cardinality(view.key_columns)) AS g);
    v_types := ARRAY(SELECT format_type(a.atttypid, a.atttypmod)
        FROM unnest(view.key_columns) WITH ORDINALITY AS k (name, place)
        JOIN pg_attribute AS a ON a.attrelid = view.query_view AND a.attname = k.name ORDER BY k.place);
    SELECT string_agg(CASE s.way
        WHEN 'key' THEN format('SELECT %s FROM %s', (
                SELECT string_agg(format('k.%I::%s', a.attname, v_types[a.attnum - 2]), ', ' ORDER BY a.attnum)
                FROM pg_attribute AS a WHERE a.attrelid = s.queue::regclass AND a.attnum > 2 AND NOT a.attisdropped
            ), changes[s.place])
        ELSE format('SELECT * FROM (WITH changed AS (SELECT * FROM %s) %s) AS m', changes[s.place], s.query)
    END, ' UNION ALL ' ORDER BY s.place) INTO v_parts
    FROM unnest(view.sources) WITH ORDINALITY AS s (relation, way, columns, query, consumer, queue, place)
    WHERE s.way IN ('key', 'query') AND changes[s.place] IS NOT NULL;
    IF v_parts IS NULL THEN
        key_count := 0;
        RETURN;
    END IF;
    PERFORM set_config('search_path', view.settings ->> 'search_path', true);
    EXECUTE pg_catalog.format('SELECT ARRAY[%s], pg_catalog.count(*), pg_catalog.bool_or(%s) '
        'FROM (SELECT DISTINCT * FROM (%s) AS u (%s)) AS d',
        (SELECT pg_catalog.string_agg(pg_catalog.format('pg_catalog.array_agg(d.k%s)::pg_catalog.text', g), ', '
            ORDER BY g)
         FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_types)) AS g),
        (SELECT pg_catalog.string_agg(pg_catalog.format('d.k%s IS NULL', g), ' OR ')
         FROM pg_catalog.generate_series(1, pg_catalog.cardinality(v_types)) AS g), v_parts, v_names)
    INTO keys, key_count, has_nulls;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
END
$fn$;
COMMENT ON FUNCTION lifecycle._resolve_keys(lifecycle.located_incremental, text[], text[]) IS
'The distinct keys that drained changes concern, one array literal a key column, and whether one holds a NULL.';

-- The queue of such a source holds the keys of the view themselves: nothing to look up, nothing to convert.
CREATE FUNCTION lifecycle._is_key_queue(view lifecycle.located_incremental, source lifecycle.view_source)
RETURNS boolean LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN source.way = 'key' AND NOT EXISTS (
        SELECT FROM unnest(view.key_columns) WITH ORDINALITY AS k (name, place)
        JOIN pg_attribute AS a ON a.attrelid = view.query_view AND a.attname = k.name
        LEFT JOIN pg_attribute AS q ON q.attrelid = source.queue::regclass AND q.attnum = k.place + 2
        WHERE (a.atttypid, a.atttypmod, a.attcollation) IS DISTINCT FROM (q.atttypid, q.atttypmod, q.attcollation)
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._is_key_queue(lifecycle.located_incremental, lifecycle.view_source) IS
'Whether the entries of a queue are keys of the incremental view as they stand.';

-- Takes what is in the queues, in the order that DESIGN asks for: first every drain, then, by later snapshots, keys and
-- rows. reason: why all rows are needed.
CREATE FUNCTION lifecycle._drain_sources(
    view lifecycle.located_incremental, max_rows integer,
    OUT changes text[], OUT entries bigint, OUT reason text, OUT problem text, OUT only_keys text[]
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source lifecycle.view_source;
    v_drained lifecycle.drained;
    v_changed integer := 0;
BEGIN
    entries := 0;
    changes := ARRAY[]::text[];
    FOREACH v_source IN ARRAY view.sources LOOP
        IF to_regclass(v_source.queue) IS NULL THEN
            reason := format('the queue of %s is gone', v_source.relation);
            changes := array_append(changes, NULL);
            CONTINUE;
        END IF;
        v_drained := lifecycle._drain(v_source.queue::regclass, max_rows);
        entries := entries + v_drained.entries;
        changes := array_append(changes, CASE WHEN v_drained.keys IS NOT NULL
            THEN lifecycle._drained_keys(v_source.queue::regclass, v_drained.keys) END);
        IF v_drained.keys IS NOT NULL THEN
            v_changed := v_changed + 1;
            only_keys := CASE WHEN v_changed = 1 AND lifecycle._is_key_queue(view, v_source) THEN v_drained.keys END;
        END IF;
        problem := coalesce(problem, v_drained.problem);
        reason := coalesce(reason, v_drained.problem,
            CASE WHEN v_drained.all_rows THEN format('%s was truncated, or marked', v_source.relation)
                WHEN v_drained.entries > 0 AND v_source.way = 'rebuild' THEN v_source.relation || ' has changed' END);
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._drain_sources(lifecycle.located_incremental, integer) IS
'Takes at most max_rows entries out of each queue of an incremental view. changes: what changed, as text for FROM;
problem: why a capture cannot be relied on; only_keys: the keys, when nothing has to be looked up for them.';

CREATE FUNCTION lifecycle._require_single_rows(target regclass, key_columns name[], doubtful bigint) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF doubtful > 0 THEN
        RAISE EXCEPTION USING
            ERRCODE = 'cardinality_violation',
            MESSAGE = format('the query of %s returns several rows for one key (%s)', target,
                array_to_string(key_columns, ', ')),
            DETAIL = format('Keys with several rows: %s.', doubtful),
            HINT = 'The key must determine a row: roll the view back and create it with more key columns.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_single_rows(regclass, name[], bigint) IS
'Raises 21000 when a merge has found keys with two rows.';

CREATE FUNCTION lifecycle._merge(view lifecycle.located_incremental, keys text[], has_nulls boolean) RETURNS bigint[]
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parts constant lifecycle.merge_parts := lifecycle._merge_parts(view);
    v_lists text[];
    v_counts bigint[];
BEGIN
    IF keys IS NOT NULL THEN
        -- Literals, so that the planner counts them.
        v_lists := ARRAY(SELECT format('%L::%s[]', u.k, u.t)
            FROM unnest(keys, v_parts.key_types) WITH ORDINALITY AS u (k, t, place) ORDER BY u.place);
    END IF;
    v_counts := lifecycle._run_under(view.settings, lifecycle._merge_statement(v_parts, v_lists, has_nulls));
    PERFORM lifecycle._require_single_rows(view.target, view.key_columns, v_counts[4]);
    RETURN v_counts;
END
$fn$;
COMMENT ON FUNCTION lifecycle._merge(lifecycle.located_incremental, text[], boolean) IS
'Computes these keys, or all, and merges them: rows inserted, updated and deleted. Raises 21000 when a key has two
rows.';

CREATE FUNCTION lifecycle._rebuild_reason(view lifecycle.located_incremental) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN CASE
        WHEN view.rebuild_reason IS NOT NULL THEN view.rebuild_reason
        WHEN view.rebuilt_at < clock_timestamp() - view.tolerance THEN 'it is older than its tolerance'
    END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rebuild_reason(lifecycle.located_incremental) IS
'Why the next refresh reads everything, before the queues are asked; NULL when nothing says so.';

-- What a key and what everything took, where both are known; else the share of the rows. Times vary with the load: only
-- a clear difference counts.
CREATE FUNCTION lifecycle._rebuild_is_cheaper(view lifecycle.located_incremental, key_count bigint) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_share integer;
BEGIN
    IF key_count <= 1000 THEN
        RETURN NULL;
    END IF;
    v_share := lifecycle.setting('incremental_share')::integer;
    IF v_share >= 100 THEN
        RETURN NULL;
    ELSIF view.key_ms * key_count > view.rebuild_ms * 1.5 THEN
        RETURN format('%s keys would take about %s ms, all rows took %s ms', key_count,
            round(view.key_ms * key_count), round(view.rebuild_ms));
    ELSIF view.key_ms IS NULL AND key_count > v_share * 0.01 * (
        SELECT c.reltuples FROM pg_class AS c WHERE c.oid = view.target
    ) THEN
        RETURN format('more than %s %% of its rows have changed', v_share);
    END IF;
    RETURN NULL;
END
$fn$;
COMMENT ON FUNCTION lifecycle._rebuild_is_cheaper(lifecycle.located_incremental, bigint) IS
'Why everything is read rather than so many keys; NULL when the keys are cheaper.';

-- What the generated function took and left to others: the rest of a queue that means all rows says nothing more.
CREATE FUNCTION lifecycle._taken_sources(
    view lifecycle.located_incremental, taken lifecycle.taken_keys,
    OUT changes text[], OUT entries bigint, OUT reason text, OUT problem text, OUT only_keys text[]
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    changes := NULL;
    entries := taken.entries;
    problem := NULL;
    only_keys := taken.keys;
    IF taken.all_rows THEN
        EXECUTE format('DELETE FROM %s', view.sources[1].queue);
        reason := format('%s was truncated, or marked', view.sources[1].relation);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._taken_sources(lifecycle.located_incremental, lifecycle.taken_keys) IS
'As lifecycle._drain_sources, for what has been taken already.';

-- Rounds of chunks, until the queues are empty or so many keys have come together that reading everything is cheaper.
CREATE FUNCTION lifecycle._refresh_rounds(
    view lifecycle.located_incremental, max_rows integer, taken lifecycle.taken_keys
) RETURNS lifecycle.refresh_work LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_drained record;
    v_keys record;
    v_counts bigint[];
    v_work lifecycle.refresh_work;
    v_started timestamptz := clock_timestamp();
    v_is_taken boolean := taken.entries > 0 AND taken.counts IS NULL;
BEGIN
    v_work.reason := lifecycle._rebuild_reason(view);
    v_work.counts := coalesce(taken.counts, '{0,0,0}');
    v_work.key_total := CASE WHEN taken.counts IS NOT NULL THEN taken.key_count ELSE 0 END;
    v_work.drained_at := clock_timestamp();
    LOOP
        IF v_is_taken THEN
            SELECT d.changes, d.entries, d.reason, d.problem, d.only_keys INTO v_drained
            FROM lifecycle._taken_sources(view, taken) AS d;
            v_is_taken := false;
        ELSE
            v_work.drained_at := clock_timestamp();
            SELECT d.changes, d.entries, d.reason, d.problem, d.only_keys INTO v_drained
            FROM lifecycle._drain_sources(view, max_rows) AS d;
        END IF;
        v_work.problem := v_drained.problem;
        v_work.reason := coalesce(v_work.problem, v_work.reason, v_drained.reason);
        EXIT WHEN v_work.reason IS NOT NULL OR v_drained.entries = 0;
        SELECT k.keys, k.key_count, k.has_nulls INTO v_keys
        FROM lifecycle._resolve_keys(view, v_drained.changes, v_drained.only_keys) AS k;
        v_work.key_total := v_work.key_total + v_keys.key_count;
        v_work.reason := lifecycle._rebuild_is_cheaper(view, v_work.key_total);
        EXIT WHEN v_work.reason IS NOT NULL;
        IF v_keys.key_count > 0 THEN
            v_counts := lifecycle._merge(view, v_keys.keys, v_keys.has_nulls);
            v_work.counts := ARRAY[v_work.counts[1] + v_counts[1], v_work.counts[2] + v_counts[2],
                v_work.counts[3] + v_counts[3]];
        END IF;
        EXIT WHEN v_drained.entries < max_rows;
    END LOOP;
    IF v_work.reason IS NOT NULL THEN
        v_started := clock_timestamp();
        v_work.counts := lifecycle._merge(view, NULL, true);
    END IF;
    v_work.merge_ms := extract(epoch FROM clock_timestamp() - v_started) * 1000;
    RETURN v_work;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_rounds(lifecycle.located_incremental, integer, lifecycle.taken_keys) IS
'Empties the queues of an incremental view chunk by chunk and merges what changed; taken: what the generated function
has begun with.';

-- A lock of its own, so that a second refresh need not wait to find nothing left.
CREATE FUNCTION lifecycle._lock_incremental(target regclass, max_rows integer DEFAULT 1) RETURNS boolean
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_class constant bigint := 27752;
BEGIN
    PERFORM lifecycle._require_drainable(max_rows);
    RETURN pg_try_advisory_xact_lock((v_class << 32) | target::oid::bigint);
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_incremental(regclass, integer) IS
'Whether this transaction may refresh an incremental view now; raises 25000 unless READ COMMITTED, 22023 for max_rows.';

-- The clocks, the history, and who asked to be told.
CREATE FUNCTION lifecycle._record_refresh(
    target regclass, query_view oid, started_at timestamptz, work lifecycle.refresh_work, mended text
) RETURNS lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_is_rebuild constant boolean := work.reason IS NOT NULL;
    v_result lifecycle.refresh_result;
BEGIN
    v_result.mode := CASE WHEN v_is_rebuild THEN 'rebuild' ELSE 'incremental' END;
    v_result.status := CASE WHEN NOT v_is_rebuild AND work.key_total = 0 THEN 'unchanged' ELSE 'refreshed' END;
    IF v_result.status = 'refreshed' THEN
        v_result.note := concat_ws('; ', work.reason, format('%srows inserted %s, updated %s, deleted %s',
            CASE WHEN v_is_rebuild THEN '' ELSE format('keys %s, ', work.key_total) END, work.counts[1],
            work.counts[2], work.counts[3]), mended);
    END IF;
    UPDATE lifecycle.incremental_view AS v
    -- A problem may go as it came, without being mended: a partition is detached again, a trigger enabled.
    SET checked_at = work.drained_at, data_as_of = work.drained_at,
        rebuild_reason = 'the last refresh found: ' || work.problem,
        rebuilt_at = CASE WHEN v_is_rebuild THEN work.drained_at ELSE v.rebuilt_at END,
        rebuild_ms = CASE WHEN v_is_rebuild THEN work.merge_ms ELSE v.rebuild_ms END,
        key_ms = CASE WHEN NOT v_is_rebuild AND work.key_total >= 1000
            THEN (work.merge_ms / work.key_total + coalesce(v.key_ms, work.merge_ms / work.key_total)) / 2
            ELSE v.key_ms END
    WHERE v.query_view_oid = _record_refresh.query_view;
    SELECT n.nspname, c.relname, nullif(c.reltuples, -1)::bigint, pg_total_relation_size(c.oid),
        round((extract(epoch FROM clock_timestamp() - _record_refresh.started_at) * 1000)::numeric, 3)
    INTO v_result.view_schema, v_result.view_name, v_result.rows, v_result.bytes, v_result.refresh_time_ms
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = target;
    IF v_result.status = 'refreshed' THEN
        INSERT INTO lifecycle.materialized_view_refresh (view_schema, view_name, view_oid, started_at, refresh_time_ms,
            mode, status, row_estimate, size_bytes, key_count, note)
        VALUES (v_result.view_schema, v_result.view_name, target, _record_refresh.started_at, v_result.refresh_time_ms,
            v_result.mode, v_result.status, v_result.rows, v_result.bytes,
            CASE WHEN NOT v_is_rebuild THEN work.key_total END, v_result.note);
        PERFORM lifecycle._notify_refresh(target, v_result);
    END IF;
    RETURN v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle._record_refresh(regclass, oid, timestamptz, lifecycle.refresh_work, text) IS
'Writes down what a refresh of an incremental view did, and returns it. mended: what became of its captures.';

CREATE FUNCTION lifecycle._refresh_incremental(target regclass, max_rows integer, taken lifecycle.taken_keys)
RETURNS lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_started constant timestamptz := clock_timestamp();
    v_view lifecycle.located_incremental := lifecycle._require_incremental(target);
    v_routine constant oid := to_regprocedure(v_view.routine || '(pg_catalog.int4)');
    -- Before the captures are looked at: what changes in between is found by the next refresh.
    v_now constant jsonb := lifecycle._incremental_ground(v_view.query_view, v_view.queues);
    v_fingerprint text := CASE WHEN v_routine IS NOT NULL THEN lifecycle._incremental_fingerprint(target,
        v_view.query_view, v_routine, v_view.queues, lifecycle._ground_uses(v_now)) END;
    v_ground record;
    v_work lifecycle.refresh_work;
BEGIN
    v_ground := lifecycle._ground_reason(v_view, v_now);
    v_view.rebuild_reason := coalesce(v_view.rebuild_reason, v_ground.reason);
    v_work := lifecycle._refresh_rounds(v_view, max_rows, taken);
    IF v_work.problem IS NOT NULL OR v_ground.ground <> v_now THEN
        v_fingerprint := NULL;
    ELSIF taken.entries > 0 THEN
        -- The captures were not looked at this time.
        v_fingerprint := v_view.fingerprint;
    ELSIF v_fingerprint <> coalesce(v_view.fingerprint, '') AND lifecycle._standing_refresh_routine(v_view) IS NULL THEN
        v_fingerprint := NULL;
    END IF;
    UPDATE lifecycle.incremental_view AS v
    SET target = v_view.target::text, target_oid = _refresh_incremental.target, query_view_oid = v_view.query_view,
        origin = CASE WHEN v_view.is_here THEN v.origin ELSE lifecycle._origin() END,
        routine_oid = v_routine, fingerprint = v_fingerprint, ground = v_ground.ground
    WHERE CASE WHEN v_view.is_here THEN v.query_view_oid = v_view.query_view::oid
        ELSE v.query_view = v_view.query_view::text END
        AND (NOT v_view.is_here OR (v.target, v.routine_oid, v.fingerprint, v.ground) IS DISTINCT FROM
            (v_view.target::text, v_routine, v_fingerprint, v_ground.ground));
    RETURN lifecycle._record_refresh(target, v_view.query_view, v_started, v_work,
        CASE WHEN v_work.reason IS NOT NULL THEN lifecycle._mend_captures(v_view) END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_incremental(regclass, integer, lifecycle.taken_keys) IS
'Refreshes an incremental view whose lock is held, after a look at everything that it rests on, writes down when, and
returns what became of it.';

-- The short way: as long as nothing that the last look saw has changed since, the generated function does the rest.
CREATE FUNCTION lifecycle._refresh_known(target regclass, max_rows integer) RETURNS lifecycle.refresh_result
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    v_started constant timestamptz := clock_timestamp();
    v_view record;
    v_taken lifecycle.taken_keys;
    v_work lifecycle.refresh_work;
BEGIN
    SELECT v.query_view_oid, v.key_columns, s.queue, n.nspname, p.proname INTO v_view
    FROM lifecycle.incremental_view AS v
    JOIN pg_class AS c ON c.oid = v.target_oid
    JOIN pg_proc AS p ON p.oid = v.routine_oid AND p.proowner = c.relowner
    JOIN pg_namespace AS n ON n.oid = p.pronamespace
    CROSS JOIN LATERAL (SELECT v.sources -> 0 ->> 'queue' AS queue) AS s
    WHERE v.target_oid = _refresh_known.target AND v.rebuild_reason IS NULL
        AND (v.tolerance IS NULL OR v.rebuilt_at >= clock_timestamp() - v.tolerance)
        AND pg_has_role(current_user, c.relowner, 'USAGE') AND NOT row_security_active(c.oid)
        AND v.fingerprint = lifecycle._incremental_fingerprint(v.target_oid, v.query_view_oid, v.routine_oid,
            ARRAY[s.queue], lifecycle._ground_uses(v.ground));
    IF NOT FOUND THEN
        RETURN lifecycle._refresh_incremental(target, max_rows, NULL);
    END IF;
    PERFORM lifecycle._lock_target(v_view.queue);
    v_work.drained_at := clock_timestamp();
    EXECUTE format('SELECT r.entries, r.all_rows, r.keys, r.key_count, r.counts FROM %I.%I($1) AS r', v_view.nspname,
        v_view.proname) INTO v_taken.entries, v_taken.all_rows, v_taken.keys, v_taken.key_count, v_taken.counts
        USING max_rows;
    PERFORM lifecycle._require_single_rows(target, v_view.key_columns, v_taken.counts[4]);
    IF v_taken.entries >= max_rows OR v_taken.entries > 0 AND v_taken.counts IS NULL THEN
        RETURN lifecycle._refresh_incremental(target, max_rows, v_taken);
    END IF;
    v_work.counts := v_taken.counts;
    v_work.key_total := v_taken.key_count;
    v_work.merge_ms := extract(epoch FROM clock_timestamp() - v_work.drained_at) * 1000;
    RETURN lifecycle._record_refresh(target, v_view.query_view_oid, v_started, v_work, NULL);
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_known(regclass, integer) IS
'Refreshes an incremental view whose lock is held, by its generated function where nothing has changed that matters.';

CREATE FUNCTION lifecycle.refresh_incremental_view(target regclass, max_rows integer DEFAULT 100000)
RETURNS SETOF lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_result lifecycle.refresh_result;
BEGIN
    IF target IS NULL THEN
        PERFORM lifecycle._require_table(target);
    ELSIF lifecycle._lock_incremental(target, max_rows) THEN
        v_result := lifecycle._refresh_known(target, max_rows);
    ELSE
        SELECT n.nspname, c.relname INTO v_result.view_schema, v_result.view_name
        FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = target;
        v_result.status := 'busy';
        v_result.note := 'another session is refreshing it';
    END IF;
    RETURN NEXT v_result;
END
$fn$;
COMMENT ON FUNCTION lifecycle.refresh_incremental_view(regclass, integer) IS
'Brings an incremental view up to date: computes the keys that have changed since the last refresh, and writes the rows
that differ. One transaction: readers see all of it or nothing, and a call that is killed has changed nothing. When a
table was truncated, or so much has changed that this is cheaper, the whole query is run and merged.

Arguments: target - the incremental view; max_rows - how many entries of a queue are taken in one round, default
100000.
Returns: one row (lifecycle.refresh_result): mode incremental or rebuild; status refreshed, unchanged, or busy (another
session is refreshing it); refresh_time_ms in milliseconds; note: keys and rows, and why it was rebuilt.
Errors: 42704 not an incremental view; 42809 not a table at all; 42501 not the owner; 25000 not READ COMMITTED; 21000
the key does not determine a row; 55000 its query or a column is gone; 22023 max_rows; what the query raises. An
error takes back the row that it would have in the history; CALL lifecycle.refresh_materialized_views and
lifecycle.refresh_all_materialized_views write a failure down and go on.
Example: SELECT status, refresh_time_ms, note FROM lifecycle.refresh_incremental_view(''public.shop_total'');';
