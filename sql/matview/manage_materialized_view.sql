CREATE FUNCTION lifecycle._view_policy_step(
    view_name text, every interval, min_changes bigint, max_age interval, notify_channel name,
    standing lifecycle.materialized_view_policy
) RETURNS lifecycle.plan_step LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns constant text := 'every, min_changes, max_age, notify_channel';
    v_object constant text := 'refresh policy of ' || view_name;
    v_update constant text := format('UPDATE lifecycle.materialized_view_policy SET view_name = %L, '
        'view_oid = %L::pg_catalog.regclass, origin = lifecycle._origin(), (%s) = ', view_name, view_name, v_columns);
    v_where constant text := format(' WHERE policy_id OPERATOR(pg_catalog.=) %s', standing.policy_id);
BEGIN
    IF standing.policy_id IS NULL THEN
        RETURN lifecycle._step('add policy', v_object,
            format('INSERT INTO lifecycle.materialized_view_policy (view_name, view_oid, %s) '
                'VALUES (%L, %L::pg_catalog.regclass, %L, %L, %L, %L)', v_columns, view_name, view_name, every,
                min_changes, max_age, notify_channel),
            format('DELETE FROM lifecycle.materialized_view_policy WHERE view_name OPERATOR(pg_catalog.=) %L',
                view_name));
    ELSIF (standing.every, standing.min_changes) = (every, min_changes)
        AND standing.max_age IS NOT DISTINCT FROM max_age
        AND standing.notify_channel IS NOT DISTINCT FROM notify_channel
        AND standing.origin = lifecycle._origin() AND standing.view_oid = to_regclass(view_name)::oid
    THEN
        RETURN lifecycle._step('add policy', v_object, NULL, note => 'stands already');
    END IF;
    RETURN lifecycle._step('change policy', v_object,
        v_update || format('(%L, %L, %L, %L)', every, min_changes, max_age, notify_channel) || v_where,
        v_update || format('(%L, %L, %L, %L)', standing.every, standing.min_changes, standing.max_age,
            standing.notify_channel) || v_where);
END
$fn$;
COMMENT ON FUNCTION lifecycle._view_policy_step(
    text, interval, bigint, interval, name, lifecycle.materialized_view_policy
) IS 'The step that writes or changes the refresh policy of a view.';

CREATE FUNCTION lifecycle._require_view_policy(
    every interval, min_changes bigint, max_age interval, notify_channel name
) RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_problem constant text := CASE
        WHEN every = interval '0' THEN format('every cannot be %s', every)
        WHEN min_changes IS NULL OR min_changes < 0
            THEN format('min_changes cannot be %s', coalesce(min_changes::text, 'NULL'))
        WHEN max_age < every THEN format('max_age cannot be %s, which is less than every, %s', max_age, every)
        WHEN notify_channel = '' THEN 'notify_channel cannot be empty'
    END;
BEGIN
    PERFORM lifecycle._require_span('every', every);
    IF max_age IS NOT NULL THEN
        PERFORM lifecycle._require_span('max_age', max_age);
    END IF;
    IF v_problem IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = v_problem,
            HINT = 'For example every => ''5 minutes'', min_changes => 100, max_age => ''1 day''.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_view_policy(interval, bigint, interval, name) IS
'Raises 22023 for a refresh policy that makes no sense.';

CREATE FUNCTION lifecycle.manage_materialized_view(
    target regclass,
    every interval,
    min_changes bigint DEFAULT 1,
    max_age interval DEFAULT NULL,
    notify_channel name DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_standing lifecycle.materialized_view_policy;
BEGIN
    PERFORM lifecycle._require_refreshable(target, 'none');
    PERFORM lifecycle._require_owner(target);
    PERFORM lifecycle._require_view_policy(every, min_changes, max_age, notify_channel);
    IF NOT dry_run THEN
        PERFORM lifecycle._require_read_committed();
        PERFORM lifecycle._lock_target(target);
    END IF;
    SELECT (p.policy).* INTO v_standing FROM lifecycle._view_policies() AS p WHERE p.view = target::oid;
    RETURN QUERY SELECT * FROM lifecycle._apply('view_policy', target, ARRAY[lifecycle._view_policy_step(target::text,
            every, min_changes, max_age, notify_channel, v_standing)],
        dry_run, expected_plan, '{}', manage_materialized_view.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.manage_materialized_view(
    regclass, interval, bigint, interval, name, boolean, text, text
) IS
'Stores when a materialized or incremental view is to be refreshed. CALL lifecycle.refresh_materialized_views(only_due
=> true), called as often as you like, does what the policies of the views ask for; lifecycle.mv_refresh_status shows
what is due. A tick that comes a little early (a tenth of every, at most 30 s) counts.

Arguments: target - the view; every - at most this often, an interval with its unit; min_changes - only when so many
rows were written to the tables that it reads, default 1; 0: regardless; where nobody can tell, as for a view that reads
the clock, it is refreshed; max_age - after so long regardless of changes, default never; notify_channel - NOTIFY there
after each refresh, with a JSON object of schema, view, mode and refresh_time_ms; dry_run - only show the plan;
expected_plan - plan_hash of the reviewed dry run; search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result).
Errors: 42809 not a view that can be refreshed; 22023 every, min_changes, max_age or notify_channel; 42501 not the
owner; 55P03 another change is under way.
Example: SELECT * FROM lifecycle.manage_materialized_view(''public.mv_totals'', ''5 minutes'', min_changes => 100);';
