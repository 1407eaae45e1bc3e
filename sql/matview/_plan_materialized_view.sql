-- An index as the caller wrote it: what stands behind the name of the table in CREATE INDEX, or columns alone.
CREATE FUNCTION lifecycle._index_tail(wanted text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN wanted ~* '^\s*(\(|using\s)' THEN wanted ELSE format('(%s)', wanted) END
$fn$;
COMMENT ON FUNCTION lifecycle._index_tail(text) IS 'What follows the name of the table in CREATE INDEX.';

-- The step of one index; skipped when it stands.
CREATE FUNCTION lifecycle._view_index_step(
    view_schema name, view_name name, index_name name, tail text, is_unique boolean
) RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step(CASE WHEN is_unique THEN 'add unique key' ELSE 'create index' END,
        'index ' || w.full_name,
        CASE WHEN to_regclass(w.full_name) IS NULL
                OR to_regclass(w.full_name)::oid NOT IN (SELECT i.indexrelid FROM pg_index AS i
                    WHERE i.indrelid = to_regclass(format('%I.%I', view_schema, view_name)))
            THEN format('CREATE %sINDEX %I ON %I.%I %s', CASE WHEN is_unique THEN 'UNIQUE ' ELSE '' END, index_name,
                view_schema, view_name, tail) END,
        'DROP INDEX ' || w.full_name,
        note => CASE WHEN to_regclass(w.full_name) IS NOT NULL THEN 'stands' END)
    FROM (SELECT format('%I.%I', view_schema, index_name) AS full_name) AS w
$fn$;
COMMENT ON FUNCTION lifecycle._view_index_step(name, name, name, text, boolean) IS
'The step that makes an index of a materialized view.';

CREATE FUNCTION lifecycle._require_view_columns(shape lifecycle.query_shape, unique_key name[]) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_missing constant text := (SELECT string_agg(quote_ident(k), ', ') FROM unnest(unique_key) AS k
        WHERE k <> ALL (shape.columns));
BEGIN
    IF (SELECT count(DISTINCT k) FROM unnest(unique_key) AS k) < cardinality(unique_key) THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('unique_key %s names a column twice, or none', unique_key),
            HINT = 'It names the columns of the query that determine a row, each once; NULL for none.';
    ELSIF v_missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_column', MESSAGE = format('the query has no column %s', v_missing),
            DETAIL = format('Its columns: %s.', array_to_string(shape.columns, ', ')),
            HINT = 'unique_key names the columns of the query that determine a row; NULL for none.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_view_columns(lifecycle.query_shape, name[]) IS
'Raises 42703 when the query lacks a column of the key.';

-- A name that is taken: by the very view, or by something else.
CREATE FUNCTION lifecycle._require_same_view(target regclass, definition text) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_kind constant "char" := (SELECT c.relkind FROM pg_class AS c WHERE c.oid = target);
BEGIN
    IF v_kind = 'm' AND rtrim(pg_get_viewdef(target), '; ') = definition THEN
        RETURN;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'duplicate_table',
        MESSAGE = format('%s exists already', target),
        DETAIL = CASE WHEN v_kind = 'm' THEN 'It is a materialized view of another query.'
            ELSE 'It is not a materialized view.' END,
        HINT = CASE WHEN v_kind = 'm' THEN format('SELECT * FROM lifecycle.replace_materialized_view(%L, ...)', target)
            ELSE 'Choose another name.' END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_same_view(regclass, text) IS
'Raises 42P07 unless this is a materialized view of this query.';

CREATE FUNCTION lifecycle._plan_materialized_view(
    view_schema name, view_name name, query text, unique_key name[], indexes text[], with_data boolean, search_path text
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_name constant text := format('%I.%I', view_schema, view_name);
    v_target constant regclass := to_regclass(v_name);
    v_shape constant lifecycle.query_shape := lifecycle._query_shape(query, NULL, view_schema,
        _plan_materialized_view.search_path, keyed => false);
    v_key constant text := (SELECT string_agg(quote_ident(k), ', ' ORDER BY u.place)
        FROM unnest(unique_key) WITH ORDINALITY AS u (k, place));
    v_filled constant boolean := coalesce((SELECT c.relispopulated FROM pg_class AS c WHERE c.oid = v_target), false);
    v_plan lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._require_view_columns(v_shape, unique_key);
    IF v_target IS NOT NULL THEN
        PERFORM lifecycle._require_same_view(v_target, v_shape.definition);
        PERFORM lifecycle._require_owner(v_target);
    END IF;
    v_plan := ARRAY[lifecycle._step('create materialized view', 'materialized view ' || v_name,
        CASE WHEN v_target IS NULL
            THEN format('CREATE MATERIALIZED VIEW %s AS %s WITH NO DATA', v_name, v_shape.definition) END,
        'DROP MATERIALIZED VIEW ' || v_name,
        note => concat_ws('; ', CASE WHEN v_target IS NOT NULL THEN 'stands' END, CASE WHEN v_key IS NULL
            THEN 'without unique_key each refresh locks readers out' END))];
    IF v_key IS NOT NULL THEN
        v_plan := v_plan || lifecycle._view_index_step(view_schema, view_name,
            lifecycle._name(ARRAY[view_name::text], 'key'), format('(%s)', v_key), true);
    END IF;
    v_plan := v_plan || ARRAY(
        SELECT lifecycle._view_index_step(view_schema, view_name, lifecycle._name(ARRAY[view_name::text],
            'idx' || i.place), lifecycle._index_tail(i.wanted), false)
        FROM unnest(indexes) WITH ORDINALITY AS i (wanted, place) ORDER BY i.place
    );
    RETURN v_plan || CASE WHEN with_data THEN ARRAY[lifecycle._step('fill', 'materialized view ' || v_name,
        CASE WHEN NOT v_filled THEN format('SELECT FROM lifecycle.refresh_materialized_view(%1$L); ANALYZE %2$s',
            v_name, v_name) END,
        note => CASE WHEN v_filled THEN 'holds data' END)] ELSE '{}' END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_materialized_view(name, name, text, name[], text[], boolean, text) IS
'The plan of create_materialized_view.';
