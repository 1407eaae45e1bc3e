CREATE FUNCTION lifecycle._refreshed_views() RETURNS TABLE (view oid, kind text, start oid)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN QUERY
    SELECT c.oid, 'materialized view', c.oid FROM pg_class AS c WHERE c.relkind = 'm'
    UNION ALL
    SELECT v.target::oid, 'incremental view', v.query_view::oid
    FROM lifecycle._incremental_views() AS v WHERE v.target IS NOT NULL;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refreshed_views() IS
'All views that are refreshed, with what holds their query: the view itself, or the one of an incremental view.';

CREATE FUNCTION lifecycle._view_dependencies() RETURNS TABLE (view oid, depends_on oid)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    RETURN QUERY
    WITH item AS MATERIALIZED (SELECT r.* FROM lifecycle._refreshed_views() AS r)
    SELECT u.view, u.object_id
    FROM lifecycle._view_uses(ARRAY(SELECT i.view FROM item AS i ORDER BY i.view),
        ARRAY(SELECT i.start FROM item AS i ORDER BY i.view)) AS u
    JOIN item AS i ON i.view = u.object_id
    WHERE u.class_id = 'pg_class'::regclass;
END
$fn$;
COMMENT ON FUNCTION lifecycle._view_dependencies() IS
'Which materialized or incremental view reads which others, directly or through plain views and functions.';

-- Level by level, so that a view comes after all that it reads. What is left when a level is empty goes round in a
-- circle (a plain view or a function was replaced later on): those come last, with a note.
CREATE FUNCTION lifecycle._refresh_levels() RETURNS SETOF lifecycle.refresh_item
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    v_views jsonb;
    v_left oid[];
    v_next oid[];
    v_note text;
BEGIN
    SELECT coalesce(jsonb_object_agg(r.view, coalesce(d.depends_on, '{}')), '{}'), coalesce(array_agg(r.view), '{}')
    INTO v_views, v_left
    FROM lifecycle._refreshed_views() AS r
    LEFT JOIN (SELECT y.view, array_agg(y.depends_on) AS depends_on FROM lifecycle._view_dependencies() AS y
        GROUP BY y.view) AS d ON d.view = r.view;
    WHILE cardinality(v_left) > 0 LOOP
        v_next := ARRAY(SELECT l FROM unnest(v_left) AS l
            WHERE NOT EXISTS (SELECT FROM jsonb_array_elements_text(v_views -> l::text) AS e
                WHERE e::oid = ANY (v_left)));
        IF cardinality(v_next) = 0 THEN
            v_next := v_left;
            v_note := 'reads itself through other views: no order is right';
        END IF;
        RETURN QUERY
        SELECT n, CASE c.relkind WHEN 'm' THEN 'materialized view' ELSE 'incremental view' END,
            ARRAY(SELECT e::oid FROM jsonb_array_elements_text(v_views -> n::text) AS e), 'due', NULL, NULL::bigint,
            NULL::lifecycle.view_mark, v_note
        FROM unnest(v_next) AS n
        JOIN pg_class AS c ON c.oid = n
        JOIN pg_namespace AS s ON s.oid = c.relnamespace
        ORDER BY s.nspname, c.relname;
        v_left := ARRAY(SELECT l FROM unnest(v_left) AS l WHERE l <> ALL (v_next));
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_levels() IS
'All materialized and incremental views, each after those that it reads.';

-- A misspelt schema has no views that could fail: a scheduler would never notice.
CREATE FUNCTION lifecycle._require_schemas(schemas name[]) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_missing constant text := (SELECT string_agg(coalesce(quote_ident(s), 'NULL'), ', ') FROM unnest(schemas) AS s
        WHERE NOT EXISTS (SELECT FROM pg_namespace AS n WHERE n.nspname = s));
BEGIN
    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name', MESSAGE = format('schema %s does not exist', v_missing),
            HINT = 'schemas lists the names of schemas as they are, without quotes; NULL means all.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_schemas(name[]) IS 'Raises 3F000 for a schema that does not exist.';

CREATE FUNCTION lifecycle._refresh_order(
    schemas name[], only_changed boolean DEFAULT false, only_due boolean DEFAULT false
) RETURNS lifecycle.refresh_item[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $fn$
DECLARE
    v_items lifecycle.refresh_item[];
    v_views oid[];
BEGIN
    PERFORM lifecycle._require_schemas(schemas);
    SELECT array_agg(o.item ORDER BY o.place), array_agg((o.item).view) FILTER (WHERE (o.item).kind LIKE 'm%')
    INTO v_items, v_views
    FROM (SELECT l AS item, row_number() OVER () AS place FROM lifecycle._refresh_levels() AS l) AS o
    JOIN pg_class AS c ON c.oid = (o.item).view
    JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE (schemas IS NULL OR n.nspname = ANY (schemas))
        AND CASE WHEN c.relkind = 'm' THEN lifecycle._may_refresh(c.oid)
            ELSE pg_has_role(current_user, c.relowner, 'USAGE') END;
    IF only_changed OR only_due THEN
        RETURN ARRAY(
            SELECT ROW(i.view, i.kind, i.depends_on, CASE WHEN only_due THEN s.need
                    WHEN s.changes = 0 AND s.data_as_of IS NOT NULL THEN 'fed' ELSE 'due' END,
                CASE WHEN only_due THEN s.why WHEN s.changes = 0 THEN 'nothing has changed' ELSE s.change_note END,
                s.refresh_id, m.mark, i.note)::lifecycle.refresh_item
            FROM unnest(v_items) WITH ORDINALITY AS i (view, kind, depends_on, need, why, refresh_id, mark, note, place)
            LEFT JOIN lifecycle._refresh_state() AS s ON s.view = i.view
            LEFT JOIN lifecycle._view_marks(v_views) AS m ON m.view = i.view
            ORDER BY i.place
        );
    END IF;
    RETURN ARRAY(
        SELECT ROW(i.view, i.kind, i.depends_on, i.need, i.why, i.refresh_id, m.mark, i.note)::lifecycle.refresh_item
        FROM unnest(v_items) WITH ORDINALITY AS i (view, kind, depends_on, need, why, refresh_id, mark, note, place)
        LEFT JOIN lifecycle._view_marks(v_views) AS m ON m.view = i.view
        ORDER BY i.place
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_order(name[], boolean, boolean) IS
'The views of these schemas (NULL: all) that the caller may refresh, each after those that it reads, with what there is
to do.';
