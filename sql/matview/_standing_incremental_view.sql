CREATE FUNCTION lifecycle._standing_incremental_view(
    target regclass, query text, key_columns name[], search_path text
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_view lifecycle.located_incremental;
    v_shape lifecycle.query_shape;
BEGIN
    SELECT v.* INTO v_view FROM lifecycle._incremental_views(target) AS v;
    IF v_view.query_view IS NOT NULL THEN
        v_shape := lifecycle._query_shape(query, key_columns,
            (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = target),
            _standing_incremental_view.search_path);
        IF v_shape.definition = rtrim(pg_get_viewdef(v_view.query_view), '; ')
            AND key_columns = v_view.key_columns
        THEN
            RETURN ARRAY[lifecycle._step('create table', 'table ' || target, NULL, note => 'stands')];
        END IF;
    END IF;
    RAISE EXCEPTION USING
        ERRCODE = 'duplicate_table',
        MESSAGE = format('%s exists already', target),
        DETAIL = CASE WHEN v_view.query_view IS NULL THEN 'It is not an incremental view.'
            ELSE 'It is an incremental view of another query or key.' END,
        HINT = CASE WHEN v_view.query_view IS NOT NULL
            THEN format('SELECT * FROM lifecycle.rollback_incremental_view(%L) first.', target)
            ELSE 'Choose another name.' END;
END
$fn$;
COMMENT ON FUNCTION lifecycle._standing_incremental_view(regclass, text, name[], text) IS
'The plan for a name that is taken: skipped when it is this very view, else 42P07.';
