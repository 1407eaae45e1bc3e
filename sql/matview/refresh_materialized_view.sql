-- The view itself, what it reads (up), and what reads it (down), in refresh order.
CREATE FUNCTION lifecycle._refresh_cascade(target oid, cascade text) RETURNS lifecycle.refresh_item[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_items lifecycle.refresh_item[];
    v_item lifecycle.refresh_item;
    v_below oid[] := ARRAY[target];
    v_above oid[] := ARRAY[target];
BEGIN
    IF cascade = 'none' THEN
        RETURN ARRAY(
            SELECT ROW(c.oid, CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'incremental view' END, '{}', 'due',
                NULL, NULL, m.mark, NULL)::lifecycle.refresh_item
            FROM pg_class AS c JOIN lifecycle._view_marks(ARRAY[target]) AS m ON m.view = c.oid
        );
    END IF;
    v_items := lifecycle._refresh_order(NULL);
    IF cascade IN ('up', 'both') THEN
        FOR v_place IN REVERSE cardinality(v_items)..1 LOOP
            v_item := v_items[v_place];
            v_above := v_above || CASE WHEN v_item.view = ANY (v_above) THEN v_item.depends_on END;
        END LOOP;
    END IF;
    IF cascade IN ('down', 'both') THEN
        FOREACH v_item IN ARRAY v_items LOOP
            v_below := v_below || CASE WHEN v_item.depends_on && v_below THEN v_item.view END;
        END LOOP;
    END IF;
    RETURN ARRAY(SELECT i FROM unnest(v_items) AS i WHERE i.view = ANY (v_below || v_above));
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_cascade(oid, text) IS
'A view with those that it reads and those that read it, as far as the caller may refresh them, in refresh order.';

CREATE FUNCTION lifecycle._require_refreshable(target regclass, cascade text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_table(target, CASE WHEN EXISTS (SELECT FROM lifecycle._incremental_views(target))
        THEN '{r}' ELSE '{m}' END::text[]);
    IF cascade IS NULL OR cascade NOT IN ('none', 'up', 'down', 'both') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('cascade cannot be %s', coalesce(quote_literal(cascade), 'NULL')),
            HINT = 'It is none, up (what the view reads), down (what reads it) or both.';
    ELSIF NOT lifecycle._may_refresh(target) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('role %I may not refresh %s', current_user, target),
            HINT = format('Only its owner, %I, may; since PostgreSQL 17 also who has the MAINTAIN privilege on it.',
                (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = target));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_refreshable(regclass, text) IS
'Raises 42809 or 42501 unless the caller may refresh this view, 22023 for another cascade.';

CREATE FUNCTION lifecycle.refresh_materialized_view(
    target regclass,
    concurrent boolean DEFAULT NULL,
    cascade text DEFAULT 'none',
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_item lifecycle.refresh_item;
    v_result lifecycle.refresh_result;
    v_stale oid[] := ARRAY[]::oid[];
    v_fresh oid[] := ARRAY[]::oid[];
    v_rebuilt oid[] := ARRAY[]::oid[];
    v_is_below boolean := false;
BEGIN
    PERFORM lifecycle._require_refreshable(target, cascade);
    PERFORM set_config('lifecycle.mending', 'later', true);
    FOREACH v_item IN ARRAY lifecycle._refresh_cascade(target, cascade) LOOP
        v_result := lifecycle._refresh_item(v_item, v_stale, v_fresh, concurrent, lifecycle._lock_wait(),
            refresh_materialized_view.search_path);
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        CONTINUE WHEN v_result.status IS NULL;
        IF v_result.status = 'failed' AND NOT v_is_below THEN
            RAISE EXCEPTION USING
                ERRCODE = v_result.sqlstate,
                MESSAGE = format('%s was not refreshed: %s', v_item.view::regclass, v_result.error),
                DETAIL = format('Mode: %s.', CASE
                    WHEN starts_with(v_result.note, v_result.mode || ':') THEN v_result.note
                    ELSE concat_ws(', ', v_result.mode, v_result.note) END);
        ELSIF v_result.status IN ('failed', 'skipped') THEN
            RAISE WARNING '% was %: %', v_item.view::regclass, v_result.status,
                coalesce(v_result.error, v_result.note);
            v_stale := v_stale || v_item.view;
        ELSIF v_result.status = 'refreshed' THEN
            v_fresh := v_fresh || v_item.view;
        END IF;
        v_is_below := v_is_below OR v_item.view = target;
        v_rebuilt := v_rebuilt || CASE v_result.mode WHEN 'rebuild' THEN v_item.view END;
        RETURN NEXT v_result;
    END LOOP;
    PERFORM lifecycle._mend_views(v_rebuilt);
END
$fn$;
COMMENT ON FUNCTION lifecycle.refresh_materialized_view(regclass, boolean, text, text) IS
'Refreshes one materialized or incremental view; on request with the views that it reads, or that read it.

Arguments: target - the view; concurrent - true or false, default where PostgreSQL allows it; cascade - none (the
default), up: first the materialized and incremental views that it reads, down: then those that read it, both; as far as
the caller may refresh them; search_path - what its functions see, by default the caller''s path.
Returns: one row a view (lifecycle.refresh_result). What reads it and fails is a row and a warning.
Errors: 42809 not a view that can be refreshed; 42501 not the owner; 22023 cascade; 55P03 lock; what the query raises,
or that of a view that it reads, with its SQLSTATE. Such a failure takes its row in the history back with it.
Example: SELECT * FROM lifecycle.refresh_materialized_view(''public.mv_totals'', cascade => ''up'');';
