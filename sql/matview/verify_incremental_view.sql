-- Table and query in one snapshot, and whether that snapshot has changes that no refresh has seen yet. Rows are
-- compared as text: not every type has an equality.
CREATE FUNCTION lifecycle._compare_incremental(view lifecycle.located_incremental) RETURNS bigint[]
LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._run_under(view.settings, format(
        'WITH mine AS MATERIALIZED (SELECT pg_catalog.array_to_string(ARRAY[%1$s], %4$L) AS r FROM %2$s AS t), '
        'theirs AS MATERIALIZED (SELECT pg_catalog.array_to_string(ARRAY[%1$s], %4$L) AS r FROM %3$s AS t) '
        'SELECT (SELECT pg_catalog.count(*) FROM (TABLE theirs EXCEPT ALL TABLE mine) AS m), '
        '(SELECT pg_catalog.count(*) FROM (TABLE mine EXCEPT ALL TABLE theirs) AS s), (%5$s)::pg_catalog.int4, 0',
        (SELECT string_agg(format('pg_catalog.quote_nullable(t.%I::pg_catalog.text)', c), ', ' ORDER BY u.place)
         FROM unnest(view.columns) WITH ORDINALITY AS u (c, place)),
        view.target, view.query_view, ',',
        coalesce((SELECT string_agg(format('EXISTS (SELECT FROM %s)', q), ' OR ')
            FROM unnest(view.queues) AS q WHERE to_regclass(q) IS NOT NULL), 'false')))
$fn$;
COMMENT ON FUNCTION lifecycle._compare_incremental(lifecycle.located_incremental) IS
'How many rows an incremental view lacks, how many it has too many, and 1 when changes are waiting.';

CREATE FUNCTION lifecycle.verify_incremental_view(target regclass, repair boolean DEFAULT false)
RETURNS SETOF lifecycle.finding LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_view lifecycle.located_incremental := lifecycle._require_incremental(target);
    v_object constant text := 'incremental view ' || target;
    v_found bigint[];
    v_slow constant text := lifecycle._unindexed_sources(
        lifecycle._path_plan(v_view.query_view, v_view.key_columns));
BEGIN
    FOR v_attempt IN 1..3 LOOP
        PERFORM lifecycle.refresh_incremental_view(target);
        v_found := lifecycle._compare_incremental(v_view);
        EXIT WHEN v_found[1] + v_found[2] = 0 OR v_found[3] = 0;
    END LOOP;
    IF v_found[1] + v_found[2] = 0 THEN
        RETURN NEXT ROW('ok', v_object, 'equal', 'it is what its query returns', NULL)::lifecycle.finding;
    ELSIF v_found[3] > 0 THEN
        RETURN NEXT ROW('info', v_object, 'undecided', 'its tables change faster than both can be read',
            format('SELECT * FROM lifecycle.verify_incremental_view(%L)', target))::lifecycle.finding;
    ELSIF repair THEN
        PERFORM lifecycle.rebuild_incremental_view(target);
        RETURN NEXT ROW('warning', v_object, 'repaired', format('%s rows were missing or old, %s were wrong',
            v_found[1], v_found[2]), NULL)::lifecycle.finding;
    ELSE
        RETURN NEXT ROW('error', v_object, 'differs', format('%s rows are missing or old, %s are wrong', v_found[1],
            v_found[2]), format('SELECT * FROM lifecycle.rebuild_incremental_view(%L)', target))::lifecycle.finding;
    END IF;
    IF v_slow IS NOT NULL THEN
        RETURN NEXT ROW('warning', v_object, 'no index', v_slow, NULL)::lifecycle.finding;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle.verify_incremental_view(regclass, boolean) IS
'Refreshes an incremental view, then compares it with its query, row by row and in one snapshot.

Arguments: target - the incremental view; repair - rebuild it when it differs.
Returns: lifecycle.finding: equal, differs, repaired, or undecided (changes came in faster than they could be compared);
and a warning where the plan of one key
reads a whole table, for want of an index.
Errors: as lifecycle.refresh_incremental_view.
Example: SELECT severity, finding, detail FROM lifecycle.verify_incremental_view(''public.shop_total'');';
