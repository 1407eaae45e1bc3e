CREATE FUNCTION lifecycle.refresh_materialized_views_step(
    since timestamptz,
    max_seconds integer DEFAULT 10,
    schemas name[] DEFAULT NULL,
    concurrent boolean DEFAULT NULL,
    only_changed boolean DEFAULT false,
    only_due boolean DEFAULT false,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.refresh_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF since IS NULL OR since > clock_timestamp() OR max_seconds IS NULL OR max_seconds < 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('a step cannot be made with since %s, max_seconds %s', coalesce(since::text, 'NULL'),
                coalesce(max_seconds::text, 'NULL')),
            HINT = 'since is when the run began, not in the future, and the same for each of its steps.';
    END IF;
    RETURN QUERY SELECT * FROM lifecycle._refresh_run(schemas, concurrent, only_changed, only_due, since,
        clock_timestamp() + make_interval(secs => max_seconds), refresh_materialized_views_step.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.refresh_materialized_views_step(
    timestamptz, integer, name[], boolean, boolean, boolean, text
) IS
'Does a slice of lifecycle.refresh_materialized_views in the transaction of the caller, where only a function can be
called. Call it with the same since until no row is pending: with date_trunc(''hour'', now())
once a minute it refreshes every view once an hour.

Arguments: since - when the run began: views that were refreshed, or tried in vain, since then are done; max_seconds -
after so long no further view is begun, default 10; one is always; the others - as for
lifecycle.refresh_materialized_views.
Returns: one row a view (lifecycle.refresh_result) that was looked at, then those that are left, status pending; or one
row with status busy.
Errors: 3F000 no such schema; 22023 since or max_seconds.
Example: SELECT view_name, status FROM lifecycle.refresh_materialized_views_step(date_trunc(''hour'', now()), 30);';
