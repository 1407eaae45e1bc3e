-- A relation that does not exist yet: where it is going to be.
CREATE FUNCTION lifecycle._new_relation(
    view_name text, search_path text, OUT relation_schema name, OUT relation_name name
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parts text[];
BEGIN
    IF coalesce(view_name, '') !~ '\S' THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = 'view_name must not be NULL or empty',
            HINT = 'Name the view to make, for example ''public.shop_total''.';
    END IF;
    BEGIN
        v_parts := parse_ident(view_name);
    EXCEPTION WHEN invalid_parameter_value THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name', MESSAGE = format('%L is not a name', view_name),
            HINT = 'Write schema.name, quoted where it is not lower case or has blanks: ''public."My View"''.';
    END;
    IF cardinality(v_parts) > 2 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_name', MESSAGE = format('%L has too many parts', view_name),
            HINT = 'Write schema.name.';
    END IF;
    PERFORM pg_catalog.set_config('search_path', _new_relation.search_path, true);
    relation_schema := CASE
        WHEN pg_catalog.cardinality(v_parts) OPERATOR(pg_catalog.=) 2 THEN v_parts[1]::pg_catalog.name
        ELSE pg_catalog.current_schema() END;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    relation_name := v_parts[cardinality(v_parts)];
    IF relation_schema IS NULL OR to_regnamespace(quote_ident(relation_schema)) IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_schema_name',
            MESSAGE = format('schema %s does not exist', coalesce(quote_ident(relation_schema), 'of the search_path'));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._new_relation(text, text) IS
'Schema and name of a relation to be made; without a schema, where CREATE TABLE would put it.';

-- Sources that must be watched are locked before the plan is made; which they are, a first look says.
CREATE FUNCTION lifecycle._lock_query(
    query text, key_columns name[], into_schema name, search_path text, dry_run boolean
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_relations regclass[];
BEGIN
    IF NOT dry_run THEN
        v_relations := ARRAY(
            SELECT t.relation FROM unnest((lifecycle._query_shape(query, key_columns, into_schema,
                _lock_query.search_path)).relations) AS r (relation)
            JOIN pg_class AS c ON c.oid = r.relation AND c.relkind IN ('r', 'p')
                AND pg_has_role(current_user, c.relowner, 'USAGE')
            CROSS JOIN LATERAL unnest(c.oid || lifecycle._partitions(c.oid)) AS t (relation)
        );
        PERFORM lifecycle._lock(v_relations, 'SHARE ROW EXCLUSIVE', dry_run);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_query(text, name[], name, text, boolean) IS
'Locks the tables that a query reads, so that capture can begin; nothing in a dry run.';

CREATE FUNCTION lifecycle.create_incremental_view(
    view_name text,
    query text,
    key_columns name[],
    sources jsonb DEFAULT '{}',
    tolerance interval DEFAULT NULL,
    at_once boolean DEFAULT false,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_path constant text := create_incremental_view.search_path;
    v_new record;
    v_target regclass;
    v_plan lifecycle.plan_step[];
BEGIN
    IF tolerance IS NOT NULL THEN
        PERFORM lifecycle._require_span('tolerance', tolerance);
    END IF;
    SELECT n.relation_schema, n.relation_name INTO v_new FROM lifecycle._new_relation(view_name, v_path) AS n;
    v_target := to_regclass(format('%I.%I', v_new.relation_schema, v_new.relation_name));
    IF v_target IS NULL THEN
        PERFORM lifecycle._lock_query(query, key_columns, v_new.relation_schema, v_path, dry_run);
        v_plan := lifecycle._plan_incremental_view(v_new.relation_schema, v_new.relation_name, query, key_columns,
            coalesce(sources, '{}'), tolerance, v_path);
    ELSE
        v_plan := lifecycle._standing_incremental_view(v_target, query, key_columns, v_path);
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._apply('incremental_view', NULL, v_plan, dry_run, expected_plan,
        jsonb_build_object('view_name', format('%I.%I', v_new.relation_schema, v_new.relation_name),
            'key_columns', key_columns), v_path, at_once => create_incremental_view.at_once);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_incremental_view(
    text, text, name[], jsonb, interval, boolean, boolean, text, text
) IS
'Makes a table that is kept equal to a query by computing again only the keys that changed. Triggers on the tables of
the query record keys of changed rows; lifecycle.refresh_incremental_view takes them up. The last step fills the table,
in a transaction of its own: CALL lifecycle.run_pending(), or the first refresh.

Arguments: view_name - the table to make; query - a SELECT; key_columns - the columns of the query that determine a
row; sources - an object of table: way, for tables where the planner cannot tell which keys a change concerns:
["column", ...] (the key in that table), {"columns": ["column", ...], "query": "SELECT key FROM changed JOIN ..."}
(columns to record, and how to get from them, as table changed, to keys), "rebuild" (any change reads everything), null
(never changes); tolerance - rebuild when older than that, an interval, for queries that read the clock; at_once - fill
in this transaction, which keeps the tables locked against writes meanwhile; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - for the names in query and sources, and for its
functions for ever.
Returns: one row a step (lifecycle.step_result).
Errors: 0A000 volatile functions, clock or session in the query, rows of a key that depend on other keys, tables that
cannot be captured; 55000 a table without a way to the key, or a view of that name was dropped and not
rolled back; 42602 view_name is no name; 42703 no such key column; 22023 arguments; 42P07 another
relation has that name; 42501 not the owner of a table; 55P03 lock; what CREATE VIEW raises about the query.
Example: SELECT * FROM lifecycle.create_incremental_view(''public.shop_total'',
    ''SELECT shop, count(*) AS sales FROM public.sale GROUP BY shop'', ''{shop}'', dry_run => true);';
