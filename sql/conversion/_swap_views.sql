-- Materialized views cannot be bound to another table. Each gets a counterpart, empty, in the transaction that gives
-- the table's name away; it is filled afterwards, while the old one is read, and then the two exchange their names as
-- the tables did. The old ones stay with the old table, for the way back, until it goes.
CREATE FUNCTION lifecycle._build_beside(target regclass) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH bound AS (
        SELECT DISTINCT b.object_id, format('%I.%I', n.nspname, lifecycle._beside(b.object_id)) AS beside
        FROM lifecycle._table_bindings(target) AS b
        JOIN pg_class AS c ON c.oid = b.object_id
        JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE b.kind = 'materialized view'
    )
    SELECT ARRAY(
        -- What reads two of the views that move has one beside it already, bound to one of them.
        SELECT lifecycle._step('build beside', 'materialized view ' || b.beside,
            coalesce('DROP MATERIALIZED VIEW ' || s.object_id::regclass || '; ', '')
            || lifecycle._ddl_beside(b.object_id, b.beside,
                rtrim(pg_get_viewdef(coalesce(s.object_id, b.object_id)), '; ')),
            'DROP MATERIALIZED VIEW IF EXISTS ' || b.beside, note => 'is filled later, and takes the name then')
        FROM bound AS b
        LEFT JOIN bound AS s ON s.object_id = to_regclass(b.beside)
        WHERE NOT EXISTS (SELECT FROM bound AS o WHERE to_regclass(o.beside) = b.object_id)
        ORDER BY b.beside
    )
$fn$;
COMMENT ON FUNCTION lifecycle._build_beside(regclass) IS
'The steps that make the counterparts of the materialized views bound to a relation, on what has its name then.';

CREATE FUNCTION lifecycle._pending_view(
    conversion lifecycle.located_conversion, OUT relation regclass, OUT beside regclass
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT o.oid, x.oid
    FROM jsonb_populate_recordset(NULL::lifecycle.plan_step, (conversion.conversion).swap_steps) AS s
    JOIN pg_class AS x ON x.oid = to_regclass(substr(s.object, length('materialized view ') + 1))
    LEFT JOIN pg_class AS o ON o.relnamespace = x.relnamespace AND o.relkind = 'm'
        AND lifecycle._beside(o.oid) = x.relname
    LEFT JOIN lifecycle._view_dependents(conversion.source) AS d ON d.relation = o.oid
    WHERE s.action = 'build beside' AND (conversion.conversion).phase = 'swapped'
    ORDER BY d.level, x.relname LIMIT 1
$fn$;
COMMENT ON FUNCTION lifecycle._pending_view(lifecycle.located_conversion) IS
'The next materialized view that has its counterpart and not yet given it its name.';

-- Those that a conversion has put aside, the ones above before those that they read.
CREATE FUNCTION lifecycle._old_views(conversion lifecycle.located_conversion)
RETURNS TABLE (relation regclass, name text, place bigint) LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT m.relation, substr(s.object, length('materialized view ') + 1), row_number() OVER (ORDER BY d.level DESC)
    FROM lifecycle._bound_materialized(conversion.source) AS m (relation)
    JOIN lifecycle._view_dependents(conversion.source) AS d ON d.relation = m.relation
    JOIN jsonb_populate_recordset(NULL::lifecycle.plan_step, (conversion.conversion).swap_steps) AS s
        ON s.action = 'rename'
        AND starts_with(s.inverse, format('ALTER MATERIALIZED VIEW %s RENAME', m.relation::regclass))
$fn$;
COMMENT ON FUNCTION lifecycle._old_views(lifecycle.located_conversion) IS
'The materialized views that have given their names away, with those names.';

-- A refresh policy, and what the journal knows of it, are about the view that has the name.
CREATE FUNCTION lifecycle._carry_view_policy(relation regclass, beside regclass) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_statement constant text := 'UPDATE lifecycle.materialized_view_policy SET view_oid = %s '
        'WHERE view_oid OPERATOR(pg_catalog.=) %s';
BEGIN
    IF NOT EXISTS (SELECT FROM lifecycle._view_policies() AS p WHERE p.view = relation)
        AND cardinality(lifecycle._open_migrations('view_policy', relation)) = 0
    THEN
        RETURN '{}';
    END IF;
    RETURN ARRAY[
        lifecycle._step('follow', 'refresh policy of ' || relation,
            format(v_statement, beside::oid, relation::oid), format(v_statement, relation::oid, beside::oid)),
        lifecycle._step('follow', 'journal of ' || relation,
            format('SELECT lifecycle._carry_migrations(''view_policy'', %s, %L, ''{}'', ''{}'')', relation::oid,
                relation),
            format('SELECT lifecycle._carry_back(''view_policy'', %s)', beside::oid))];
END
$fn$;
COMMENT ON FUNCTION lifecycle._carry_view_policy(regclass, regclass) IS
'The steps by which the refresh policy of a materialized view is that of its counterpart, which has its name then.';

CREATE FUNCTION lifecycle._exchange_view(
    conversion lifecycle.located_conversion, relation regclass, beside regclass
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_properties constant text := ltrim(lifecycle._ddl_view_properties(relation), '; ');
    v_steps lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._swap_lock('{}', lifecycle._bound_views(relation) || relation);
    v_steps := lifecycle._take_off(relation) || lifecycle._exchange_names(relation, beside,
            (SELECT lifecycle._away_name(c.relnamespace, c.relname, 'old') FROM pg_class AS c WHERE c.oid = relation),
            'new', 'MATERIALIZED VIEW')
        || lifecycle._step('give it', 'materialized view ' || relation, nullif(v_properties, ''),
            note => 'rights, comments and properties of indexes')
        || lifecycle._rebind(relation)
        || lifecycle._build_beside(relation)
        || lifecycle._carry_view_policy(relation, beside);
    PERFORM lifecycle._run_steps(v_steps, (conversion.conversion).options ->> 'search_path');
    UPDATE lifecycle.conversion AS c SET swap_steps = to_jsonb(lifecycle._number(ARRAY(
        SELECT s FROM jsonb_populate_recordset(NULL::lifecycle.plan_step, c.swap_steps) AS s ORDER BY s.step
    ) || v_steps))
    WHERE c.conversion_id = (conversion.conversion).conversion_id;
END
$fn$;
COMMENT ON FUNCTION lifecycle._exchange_view(lifecycle.located_conversion, regclass, regclass) IS
'Gives the name of a materialized view to its counterpart, and keeps the steps with their inverses.';

-- What the swap has left: foreign keys to validate, then materialized views to fill and to exchange.
CREATE FUNCTION lifecycle._settle_swap(conversion lifecycle.located_conversion) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_path constant text := (conversion.conversion).options ->> 'search_path';
    v_key constant lifecycle.plan_step := lifecycle._next_key(conversion);
    v_view record;
BEGIN
    IF v_key.statement IS NOT NULL THEN
        PERFORM lifecycle._run_steps(ARRAY[v_key], v_path);
        RETURN;
    END IF;
    SELECT p.*, o.relispopulated AS has_data, n.relispopulated AS is_filled INTO v_view
    FROM lifecycle._pending_view(conversion) AS p
    JOIN pg_class AS n ON n.oid = p.beside
    LEFT JOIN pg_class AS o ON o.oid = p.relation;
    CASE
        WHEN v_view.beside IS NULL THEN
            RETURN;
        WHEN v_view.relation IS NULL THEN
            PERFORM lifecycle._run_steps(ARRAY[lifecycle._step('drop', 'materialized view ' || v_view.beside,
                format('DROP MATERIALIZED VIEW %s', v_view.beside))], v_path);
        WHEN v_view.has_data AND NOT v_view.is_filled THEN
            PERFORM lifecycle._run_steps(ARRAY[lifecycle._step('fill', 'materialized view ' || v_view.beside,
                format('REFRESH MATERIALIZED VIEW %s; ANALYZE %1$s', v_view.beside))], v_path);
        ELSE
            PERFORM lifecycle._exchange_view(conversion, v_view.relation, v_view.beside);
    END CASE;
END
$fn$;
COMMENT ON FUNCTION lifecycle._settle_swap(lifecycle.located_conversion) IS
'One slice of what is left after the swap.';

-- Found by the catalog and not by what was said at the start: anybody may have made something new since.
CREATE FUNCTION lifecycle._require_rebindable(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_reasons constant text := (SELECT string_agg(f.object || ': ' || f.finding, E'\n')
        FROM lifecycle._check_conversion_bindings(target) AS f WHERE f.severity = 'error');
BEGIN
    IF v_reasons IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('what is bound to %s would stay with the old table', target),
            DETAIL = v_reasons,
            HINT = 'It was made since the conversion began: drop it, and make it again after the swap.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_rebindable(regclass) IS
'Raises 55000 when something is bound to a table that the swap cannot bind to the new one.';
