-- A wrapper that runs as its owner must not let the caller choose whose code runs: SQL text, and a search_path that the
-- caller could fill with operators of his own, are not passed on.
CREATE FUNCTION lifecycle._refuse_as_owner(routine regprocedure) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_arguments text[] := (SELECT p.proargnames FROM pg_proc AS p WHERE p.oid = routine);
    v_name name := (SELECT p.proname FROM pg_proc AS p WHERE p.oid = routine);
    v_text text := (SELECT string_agg(a, ', ') FROM unnest(v_arguments) AS a
        WHERE a IN ('up', 'down', 'predicate', 'query', 'filter', 'command', 'statement', 'condition', 'sources'));
BEGIN
    IF v_text IS NOT NULL OR v_name ~ '^(rollback|grant|drop|prepare|expose|set_setting|begin_migration|end_migration|run_pending)' THEN
        RAISE EXCEPTION USING
            ERRCODE = 'insufficient_privilege',
            MESSAGE = format('%s cannot be exposed with the rights of its owner', routine),
            DETAIL = coalesce(format('Its caller would run SQL of his own (%s) with those rights.', v_text),
                'It runs journaled statements or changes privileges.'),
            HINT = 'Expose it with as_owner => false and grant the caller what it needs.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refuse_as_owner(regprocedure) IS
'Raises 42501 for a routine that would run its caller''s SQL with the rights of the owner of a wrapper.';

CREATE FUNCTION lifecycle._wrapper(routine regprocedure, into_schema name, grant_to name[], as_owner boolean, path text)
RETURNS lifecycle.plan_step LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_routine pg_proc;
    v_kind text;
    v_names text[];
    v_hidden boolean;
    v_call text;
    v_parameters text;
    v_signature text;
BEGIN
    SELECT p.* INTO v_routine FROM pg_proc AS p WHERE p.oid = routine;
    v_kind := CASE v_routine.prokind WHEN 'p' THEN 'PROCEDURE' ELSE 'FUNCTION' END;
    v_names := coalesce(v_routine.proargnames[1:v_routine.pronargs], '{}');
    v_hidden := as_owner AND v_names[cardinality(v_names)] = 'search_path';
    v_parameters := pg_get_function_arguments(routine);
    IF v_hidden THEN
        -- It is the last one by convention.
        v_parameters := regexp_replace(v_parameters, ',? ?search_path text DEFAULT [^,]*(\([^()]*\))?[^,]*$', '');
    END IF;
    SELECT string_agg(format('%I => %s', n.name, CASE WHEN v_hidden AND n.name = 'search_path' THEN quote_literal(path)
            ELSE '$' || n.place END), ', ' ORDER BY n.place)
    INTO v_call FROM unnest(v_names) WITH ORDINALITY AS n (name, place);
    v_signature := format('%I.%I(%s)', into_schema, v_routine.proname, (
        SELECT string_agg(format_type(t.type, NULL), ', ' ORDER BY t.place)
        FROM unnest(v_routine.proargtypes) WITH ORDINALITY AS t (type, place)
        WHERE NOT v_hidden OR t.place < v_routine.pronargs));
    IF to_regprocedure(v_signature) IS NOT NULL THEN
        RETURN lifecycle._step('expose', lower(v_kind) || ' ' || v_signature, NULL, note => 'a routine of that name stands already');
    END IF;
    RETURN lifecycle._step('expose', lower(v_kind) || ' ' || v_signature,
        format('CREATE %s %I.%I(%s)%s LANGUAGE %s', v_kind, into_schema, v_routine.proname, v_parameters,
            ' RETURNS ' || pg_get_function_result(routine), CASE v_kind WHEN 'PROCEDURE' THEN 'plpgsql' ELSE 'sql' END)
        || CASE WHEN v_kind = 'PROCEDURE' THEN format(' AS %L', format('BEGIN CALL lifecycle.%I(%s); END', v_routine.proname, v_call))
            ELSE format(' %sSET search_path = pg_catalog, pg_temp AS %L', CASE WHEN as_owner THEN 'SECURITY DEFINER ' ELSE '' END,
                format('SELECT * FROM lifecycle.%I(%s)', v_routine.proname, v_call)) END
        || format('; REVOKE ALL ON %s %s FROM PUBLIC', v_kind, v_signature)
        || coalesce((SELECT string_agg(format('; GRANT EXECUTE ON %s %s TO %I', v_kind, v_signature, g), '') FROM unnest(grant_to) AS g), '')
        || lifecycle._depends_on_extension(v_kind, v_signature),
        format('DROP %s %s', v_kind, v_signature));
END
$fn$;
COMMENT ON FUNCTION lifecycle._wrapper(regprocedure, name, name[], boolean, text) IS
'The step that makes a wrapper of one routine, with the same argument names.';

CREATE FUNCTION lifecycle.expose(
    into_schema name,
    names text[],
    grant_to name[] DEFAULT '{}',
    as_owner boolean DEFAULT false,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_name text;
    v_routine regprocedure;
    v_plan lifecycle.plan_step[] := '{}';
BEGIN
    PERFORM lifecycle._require_role(g) FROM unnest(grant_to) AS g;
    FOREACH v_name IN ARRAY names LOOP
        IF NOT EXISTS (SELECT FROM pg_proc AS p WHERE p.pronamespace = 'lifecycle'::regnamespace AND p.proname = v_name
            AND p.proname NOT LIKE '\_%')
        THEN
            RAISE EXCEPTION USING ERRCODE = 'undefined_function', MESSAGE = format('there is no routine lifecycle.%I', v_name),
                HINT = 'Give names without schema, for example ''refresh_all_materialized_views''.';
        END IF;
        FOR v_routine IN
            SELECT p.oid FROM pg_proc AS p
            WHERE p.pronamespace = 'lifecycle'::regnamespace AND p.proname = v_name
            ORDER BY p.oid
        LOOP
            IF as_owner THEN
                PERFORM lifecycle._refuse_as_owner(v_routine);
            END IF;
            v_plan := v_plan || lifecycle._wrapper(v_routine, into_schema, grant_to, as_owner, expose.search_path);
        END LOOP;
    END LOOP;
    RETURN QUERY SELECT * FROM lifecycle._apply('expose', NULL, v_plan, dry_run, expected_plan,
        jsonb_build_object('names', names, 'grant_to', grant_to, 'as_owner', as_owner), expose.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.expose(name, text[], name[], boolean, boolean, text, text) IS
'Makes wrappers of routines in a schema of yours, with the same argument names, so that unqualified calls and PostgREST''s
/rpc/<name> work without putting lifecycle on a search_path. With as_owner they run with the rights of the caller of expose:
a service role that owns nothing can then refresh views, under the search_path of this call.

Arguments: into_schema - where the wrappers are made; names - routine names without schema; grant_to - roles that may call
them (nobody else may); as_owner - SECURITY DEFINER wrappers; dry_run - only show the plan; expected_plan - plan_hash of
the reviewed dry run; search_path - what user code sees in as_owner wrappers.
Returns: one row a wrapper (lifecycle.step_result).
Errors: 42883 no such routine; 42704 no such role; 42501 as_owner for a routine that runs its caller''s SQL or changes
privileges, or the caller may not create in the schema.
Example: SELECT * FROM lifecycle.expose(''public'', ARRAY[''verify_migrations''], as_owner => true);';
