CREATE FUNCTION lifecycle.create_materialized_view(
    view_name text,
    query text,
    unique_key name[],
    indexes text[] DEFAULT '{}',
    with_data boolean DEFAULT true,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_path constant text := create_materialized_view.search_path;
    v_new record;
    v_name text;
    v_plan lifecycle.plan_step[];
BEGIN
    IF EXISTS (SELECT FROM unnest(indexes) AS i WHERE coalesce(i, '') !~ '\S') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('indexes cannot be %s', indexes),
            HINT = 'Each is what stands in CREATE INDEX behind the table, for example ''{score DESC}''.';
    END IF;
    SELECT n.relation_schema, n.relation_name INTO v_new FROM lifecycle._new_relation(view_name, v_path) AS n;
    v_name := format('%I.%I', v_new.relation_schema, v_new.relation_name);
    v_plan := lifecycle._plan_materialized_view(v_new.relation_schema, v_new.relation_name, query, unique_key, indexes,
        with_data, v_path);
    RETURN QUERY SELECT * FROM lifecycle._apply('materialized_view', NULL, v_plan, dry_run, expected_plan,
        jsonb_build_object('view_name', v_name), v_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_materialized_view(text, text, name[], text[], boolean, boolean, text, text) IS
'Makes a materialized view with a unique key, so that it can be refreshed while it is read, fills it and writes its
first refresh into the history.

Arguments: view_name - the view to make; query - a SELECT; unique_key - the columns of the query that determine a row,
or NULL: then each refresh locks readers out; indexes - further ones, each as columns (''total DESC, shop'') or as it
stands behind the table in CREATE INDEX (''USING gin (tags)'', ''(shop) WHERE total > 0''); with_data - fill it;
dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run; search_path - for the names in query,
by default the caller''s path.
Returns: one row a step (lifecycle.step_result). The same view a second time: all rows skipped.
Errors: 42703 no such key column; 42P07 another relation has that name; 3F000 no such schema; 42602 view_name is no
name; 22023 view_name or query is missing; 23505 the key does not determine a row; what CREATE VIEW,
CREATE INDEX and the query raise.
Example: SELECT * FROM lifecycle.create_materialized_view(''public.shop_total'',
    ''SELECT shop, sum(amount) AS total FROM public.sale GROUP BY shop'', ''{shop}'', ''{total DESC}'',
    dry_run => true);';
