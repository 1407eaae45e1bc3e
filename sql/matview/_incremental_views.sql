-- From the stored rows to the objects of today: by oid in the database that wrote the row, by name in a restored one.
CREATE FUNCTION lifecycle._view_sources(sources jsonb) RETURNS lifecycle.view_source[]
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        SELECT ARRAY(
            SELECT ROW(e ->> 'relation', e ->> 'way', ARRAY(
                SELECT c FROM jsonb_array_elements_text(nullif(e -> 'columns', 'null')) AS c
            ), e ->> 'query', e ->> 'consumer', e ->> 'queue')::lifecycle.view_source
            FROM jsonb_array_elements(sources) WITH ORDINALITY AS s (e, place)
            ORDER BY s.place
        )
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._view_sources(jsonb) IS 'The sources of an incremental view, as stored.';

CREATE FUNCTION lifecycle._incremental_views(target regclass DEFAULT NULL)
RETURNS SETOF lifecycle.located_incremental LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN QUERY SELECT t.oid::regclass, q.oid::regclass, v.key_columns,
        ARRAY(SELECT a.attname FROM pg_attribute AS a
            WHERE a.attrelid = q.oid AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum),
        s.sources, ARRAY(SELECT x.queue FROM unnest(s.sources) AS x), v.settings, v.tolerance,
        CASE WHEN v.origin = o.origin THEN v.rebuild_reason ELSE 'it was restored into this database' END,
        v.rebuilt_at, v.rebuild_ms, v.key_ms, v.data_as_of, v.created_by, v.session_by, v.writer, v.origin = o.origin,
        v.routine, CASE WHEN v.origin = o.origin THEN v.fingerprint END, v.ground
    FROM (SELECT lifecycle._origin() AS origin OFFSET 0) AS o
    CROSS JOIN lifecycle.incremental_view AS v
    CROSS JOIN LATERAL (SELECT lifecycle._view_sources(v.sources) AS sources OFFSET 0) AS s
    LEFT JOIN pg_class AS t
        ON t.oid = CASE WHEN v.origin = o.origin THEN v.target_oid ELSE lifecycle._named_relation(v.target) END
    LEFT JOIN pg_class AS q
        ON q.oid = CASE WHEN v.origin = o.origin THEN v.query_view_oid ELSE to_regclass(v.query_view)::oid END
    WHERE _incremental_views.target IS NULL OR t.oid = _incremental_views.target
    ORDER BY v.target;
END
$fn$;
COMMENT ON FUNCTION lifecycle._incremental_views(regclass) IS
'The incremental views, or one of them, as they are found today.';

CREATE FUNCTION lifecycle._require_incremental(target regclass) RETURNS lifecycle.located_incremental
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_view lifecycle.located_incremental;
    v_missing text;
BEGIN
    -- Each refresh asks: what is registered needs no further look.
    SELECT v.* INTO v_view FROM lifecycle._incremental_views(target) AS v WHERE v.target = _require_incremental.target;
    IF NOT FOUND THEN
        PERFORM lifecycle._require_table(target, '{r}');
    END IF;
    PERFORM lifecycle._require_owner(target);
    IF v_view.target IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_object', MESSAGE = format('%s is not an incremental view', target),
            HINT = 'lifecycle.create_incremental_view makes one; lifecycle.mv_refresh_status lists those that stand.';
    END IF;
    v_missing := (
        SELECT string_agg(quote_ident(c), ', ') FROM unnest(v_view.columns) AS c
        WHERE NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = target AND a.attname = c AND a.attnum > 0)
    );
    IF v_view.query_view IS NULL OR v_missing IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('incremental view %s cannot be refreshed: %s', target,
                coalesce('it has no column ' || v_missing, 'the view with its query is gone')),
            HINT = 'Roll it back and create it anew, or give the column its name again.';
    ELSIF row_security_active(target) THEN
        -- Rows that it does not see would neither be updated nor deleted, and nobody would be told.
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('row security hides rows of %s from %I, who is to write them', target, current_user),
            HINT = format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY, or refresh as a role with BYPASSRLS.', target);
    ELSIF EXISTS (SELECT FROM unnest(v_view.sources) AS s WHERE s.way = 'query')
        AND NOT lifecycle._may_run(v_view.created_by, v_view.session_by, v_view.writer)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('the queries that map changes of %s to keys were stored by %I', target, v_view.created_by),
            DETAIL = 'A stored query does not run with the rights of another role.',
            HINT = format('Connect as %I.', v_view.session_by);
    END IF;
    RETURN v_view;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_incremental(regclass) IS
'The incremental view that the caller may refresh; raises 42704, 42501 or 55000 when it cannot be.';
