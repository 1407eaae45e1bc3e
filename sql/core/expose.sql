-- A wrapper that runs as its owner must not let the caller choose whose code runs: SQL text, and a search_path that the
-- caller could fill with operators of his own, are not passed on.
CREATE FUNCTION lifecycle._refuse_as_owner(routine regprocedure) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_sql_texts text;
    v_name name;
BEGIN
    SELECT p.proname, (
        SELECT string_agg(a, ', ') FROM unnest(p.proargnames) AS a
        WHERE a IN ('up', 'down', 'predicate', 'query', 'filter', 'command', 'statement', 'condition', 'sources')
    ) INTO v_name, v_sql_texts
    FROM pg_proc AS p WHERE p.oid = routine;
    IF v_sql_texts IS NOT NULL
        OR v_name ~ '^(rollback|grant|drop|prepare|expose|set_setting|begin_|end_|run_pending|confirm_|create_rollback)'
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s cannot be exposed with the rights of its owner', routine),
            DETAIL = coalesce(format('Its caller would run SQL of his own (%s) with those rights.', v_sql_texts),
                'It runs journaled statements or changes privileges.'),
            HINT = 'Expose it with as_owner => false and grant the caller what it needs.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refuse_as_owner(regprocedure) IS
'Raises 42501 for a routine that would run its caller''s SQL with the rights of the owner of a wrapper.';

-- What the wrapper takes and passes on. hidden: search_path, the last argument by convention, is fixed in the wrapper.
CREATE FUNCTION lifecycle._wrapper_arguments(
    routine regprocedure, hidden boolean, path text, OUT parameters text, OUT types text, OUT call text
) LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT
        CASE WHEN hidden
            THEN regexp_replace(pg_get_function_arguments(p.oid), ',? ?search_path text DEFAULT .*$', '')
            ELSE pg_get_function_arguments(p.oid)
        END,
        coalesce(string_agg(format_type(a.type, NULL), ', ' ORDER BY a.place) FILTER (WHERE NOT a.is_hidden), ''),
        coalesce(string_agg(
            format('%I => %s', a.name, CASE WHEN a.is_hidden THEN quote_literal(path) ELSE '$' || a.place END),
            ', ' ORDER BY a.place
        ) FILTER (WHERE a.place IS NOT NULL), '')
    FROM pg_proc AS p
    LEFT JOIN LATERAL (
        SELECT t.type, t.place, p.proargnames[t.place] AS name, hidden AND t.place = p.pronargs AS is_hidden
        FROM unnest(p.proargtypes) WITH ORDINALITY AS t (type, place)
    ) AS a ON true
    WHERE p.oid = routine
    GROUP BY p.oid
$fn$;
COMMENT ON FUNCTION lifecycle._wrapper_arguments(regprocedure, boolean, text) IS
'The parameter list of a wrapper, its argument types, and the arguments of the call inside.';

CREATE FUNCTION lifecycle._wrapper_step(
    routine regprocedure, into_schema name, grant_to name[], as_owner boolean, path text
) RETURNS lifecycle.plan_step LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_routine pg_proc;
    v_arguments record;
    v_kind text;
    v_name text;
    v_signature text;
    v_body text;
BEGIN
    SELECT p.* INTO v_routine FROM pg_proc AS p WHERE p.oid = routine;
    SELECT w.* INTO v_arguments FROM lifecycle._wrapper_arguments(routine,
        as_owner AND v_routine.proargnames[v_routine.pronargs] = 'search_path', path) AS w;
    v_kind := CASE v_routine.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END;
    v_name := format('%I.%I', into_schema, v_routine.proname);
    v_signature := format('%s(%s)', v_name, v_arguments.types);
    IF to_regprocedure(v_signature) IS NOT NULL THEN
        RETURN lifecycle._step('expose', lower(v_kind) || ' ' || v_signature, NULL,
            note => 'a routine of that name and arguments stands already');
    END IF;
    -- A procedure that commits can have neither SET nor SECURITY DEFINER.
    v_body := CASE v_kind
        WHEN 'PROCEDURE' THEN format('LANGUAGE plpgsql AS %L',
            format('BEGIN CALL lifecycle.%I(%s); END', v_routine.proname, v_arguments.call))
        ELSE format('RETURNS %s LANGUAGE sql %sSET search_path = pg_catalog, pg_temp AS %L',
            pg_get_function_result(routine), CASE WHEN as_owner THEN 'SECURITY DEFINER ' ELSE '' END,
            format('SELECT * FROM lifecycle.%I(%s)', v_routine.proname, v_arguments.call))
    END;
    RETURN lifecycle._step('expose', lower(v_kind) || ' ' || v_signature,
        format('CREATE %s %s(%s) %s; REVOKE ALL ON %s %s FROM PUBLIC', v_kind, v_name, v_arguments.parameters, v_body,
            v_kind, v_signature)
        || coalesce((SELECT string_agg(format('; GRANT EXECUTE ON %s %s TO %I', v_kind, v_signature, g), '' ORDER BY g)
            FROM unnest(grant_to) AS g), '')
        || lifecycle._depends_on_extension(v_kind, v_signature),
        format('DROP %s %s', v_kind, v_signature));
END
$fn$;
COMMENT ON FUNCTION lifecycle._wrapper_step(regprocedure, name, name[], boolean, text) IS
'The step that makes a wrapper of one routine, with the same argument names.';

CREATE FUNCTION lifecycle._plan_expose(into_schema name, names text[], grant_to name[], as_owner boolean, path text)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_missing text;
    v_routine regprocedure;
    v_plan lifecycle.plan_step[] := ARRAY[]::lifecycle.plan_step[];
BEGIN
    SELECT n INTO v_missing FROM unnest(names) AS n
    WHERE n IS NULL OR n LIKE '\_%' OR NOT EXISTS (
        SELECT FROM pg_proc AS p WHERE p.pronamespace = 'lifecycle'::regnamespace AND p.proname = n
    );
    IF FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_function',
            MESSAGE = format('there is no routine lifecycle.%s', coalesce(quote_ident(v_missing), 'NULL')),
            HINT = 'Give names without schema, for example ''refresh_all_materialized_views''.';
    END IF;
    FOR v_routine IN
        SELECT p.oid FROM pg_proc AS p
        WHERE p.pronamespace = 'lifecycle'::regnamespace AND p.proname = ANY (names)
            -- A type of the caller's own may have a cast to json, which would run with the rights of the owner: values
            -- come as text or as jsonb, all routines have such forms.
            AND NOT (as_owner AND EXISTS (SELECT FROM unnest(p.proargtypes) AS a (type) JOIN pg_type AS t
                ON t.oid = a.type AND t.typtype = 'p'))
        ORDER BY array_position(names, p.proname::text), p.oid
    LOOP
        IF as_owner THEN
            PERFORM lifecycle._refuse_as_owner(v_routine);
        END IF;
        v_plan := v_plan || lifecycle._wrapper_step(v_routine, into_schema, grant_to, as_owner, path);
    END LOOP;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_expose(name, text[], name[], boolean, text) IS 'The plan of expose.';

CREATE FUNCTION lifecycle.expose(
    into_schema name,
    names text[],
    grant_to name[] DEFAULT '{}',
    as_owner boolean DEFAULT false,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_schema('into_schema', into_schema);
    PERFORM lifecycle._require_role(g) FROM unnest(grant_to) AS g;
    RETURN QUERY SELECT * FROM lifecycle._apply(
        'expose', NULL, lifecycle._plan_expose(into_schema, names, grant_to, as_owner, expose.search_path),
        dry_run, expected_plan, jsonb_build_object('names', names, 'grant_to', grant_to, 'as_owner', as_owner),
        expose.search_path
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle.expose(name, text[], name[], boolean, boolean, text, text) IS
'Makes wrappers of routines in a schema of yours, with the same argument names, so that unqualified calls and
PostgREST''s /rpc/<name> work without putting lifecycle on a search_path. With as_owner they run with the rights of
the caller of expose: a service role that owns nothing can then refresh views, under the search_path of this call.

Arguments: into_schema - where the wrappers are made; names - routine names without schema; grant_to - roles that may
call them (nobody else may); as_owner - SECURITY DEFINER wrappers; dry_run - only show the plan; expected_plan -
plan_hash of the reviewed dry run; search_path - what user code sees in as_owner wrappers.
Returns: one row a wrapper (lifecycle.step_result).
Errors: 42883 no such routine; 42704 no such role; 42501 as_owner for a routine that runs its caller''s SQL or changes
privileges, or the caller may not create in the schema.
Example: SELECT * FROM lifecycle.expose(''public'', ARRAY[''verify_migrations''], as_owner => true);';
