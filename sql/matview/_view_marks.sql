-- What the statistics know, and what this session has not yet reported.
CREATE FUNCTION lifecycle._rows_written(relation oid) RETURNS bigint
LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN pg_stat_get_tuples_inserted(relation) + pg_stat_get_tuples_updated(relation)
        + pg_stat_get_tuples_deleted(relation) + pg_stat_get_xact_tuples_inserted(relation)
        + pg_stat_get_xact_tuples_updated(relation) + pg_stat_get_xact_tuples_deleted(relation);
END
$fn$;
COMMENT ON FUNCTION lifecycle._rows_written(oid) IS
'How many rows were inserted into, updated in and deleted from a table since its statistics began.';

-- PostgreSQL counts the rows written to each table. The counters survive a clean restart; a crash, a restore or a reset
-- starts them anew, and then the epoch differs. What they do not count, TRUNCATE and rewrites, changes the file of the
-- table; ATTACH, DETACH and DROP change the set of tables; another definition of a view or a function in between is
-- another row version. What another session has written reaches the counters a second or so after its commit; what
-- this session has written is asked for itself.
CREATE FUNCTION lifecycle._view_marks(views oid[]) RETURNS TABLE (view oid, mark lifecycle.view_mark)
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp
SET plan_cache_mode = force_generic_plan AS $fn$
BEGIN
    PERFORM pg_stat_clear_snapshot();
    RETURN QUERY
    WITH RECURSIVE used AS MATERIALIZED (
        SELECT u.* FROM lifecycle._view_uses(views, views) AS u
    ), tree (view, relation) AS (
        SELECT u.view, u.object_id FROM used AS u WHERE u.class_id = 'pg_class'::regclass
        UNION
        SELECT t.view, i.inhrelid FROM tree AS t JOIN pg_inherits AS i ON i.inhparent = t.relation
    ), base AS (
        SELECT t.view, md5(string_agg(format('%s %s', c.oid, c.relfilenode), ',' ORDER BY c.oid)) AS files,
            sum(lifecycle._rows_written(c.oid))::bigint AS writes,
            min(format('%s is a foreign table', c.oid::regclass)) FILTER (WHERE c.relkind = 'f') AS is_foreign,
            min(format('row security of %s decides what it sees', c.oid::regclass)) FILTER (
                WHERE c.relrowsecurity AND (c.relforcerowsecurity OR NOT pg_has_role(o.oid, c.relowner, 'USAGE'))
                    AND NOT (o.rolsuper OR o.rolbypassrls)) AS secured
        FROM tree AS t
        JOIN pg_class AS c ON c.oid = t.relation AND c.relkind IN ('r', 'm', 'p', 'f')
        JOIN pg_class AS v ON v.oid = t.view
        JOIN pg_roles AS o ON o.oid = v.relowner
        GROUP BY t.view
    ), code AS (
        SELECT u.view, string_agg(format('%s %s', u.object_id, coalesce(w.xmin, p.xmin)), ',' ORDER BY u.object_id)
            AS versions
        FROM used AS u
        LEFT JOIN pg_rewrite AS w ON u.class_id = 'pg_class'::regclass AND w.ev_class = u.object_id
            AND w.rulename = '_RETURN'
            AND (SELECT c.relkind FROM pg_class AS c WHERE c.oid = u.object_id) = 'v'
        LEFT JOIN pg_proc AS p ON u.class_id = 'pg_proc'::regclass AND p.oid = u.object_id
        WHERE w.oid IS NOT NULL OR p.oid IS NOT NULL
        GROUP BY u.view
    ), epoch AS (
        SELECT concat_ws(' ', extract(epoch FROM a.stats_reset), extract(epoch FROM pg_stat_get_db_stat_reset_time(
            (SELECT d.oid FROM pg_database AS d WHERE d.datname = current_database())))) AS stats_epoch,
            CASE WHEN NOT current_setting('track_counts')::boolean THEN 'track_counts is off: nothing is counted'
                WHEN current_setting('transaction_isolation') NOT LIKE 'read %' THEN 'the transaction sees old data'
            END AS note
        FROM pg_stat_get_archiver() AS a
    )
    SELECT v.view, ROW(e.stats_epoch, md5(concat_ws(' ', b.files, c.versions)), coalesce(b.writes, 0),
        coalesce(e.note, b.is_foreign, b.secured))::lifecycle.view_mark
    FROM unnest(views) AS v (view)
    CROSS JOIN epoch AS e
    LEFT JOIN base AS b ON b.view = v.view
    LEFT JOIN code AS c ON c.view = v.view;
END
$fn$;
COMMENT ON FUNCTION lifecycle._view_marks(oid[]) IS
'What the tables of these materialized views look like now, to be compared with what they looked like at a refresh.';

CREATE FUNCTION lifecycle._view_changes(
    view oid, done lifecycle.materialized_view_refresh, mark lifecycle.view_mark, origin text,
    OUT changes bigint, OUT note text
) LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    note := CASE
        WHEN done.refresh_id IS NULL THEN 'it was not refreshed by pg_lifecycle yet'
        WHEN done.origin <> _view_changes.origin THEN 'it was restored into this database'
        WHEN mark.note IS NOT NULL THEN mark.note
        WHEN done.bases IS NULL THEN 'nothing was counted at its last refresh'
        WHEN done.stats_epoch <> mark.stats_epoch THEN 'the statistics were reset, by a crash or by hand'
        WHEN done.bases <> mark.bases THEN 'a table it reads was truncated, rewritten, attached, detached or replaced, '
            || 'or a view or function in between was'
        WHEN done.base_writes > mark.base_writes THEN 'the last changes are still being counted'
    END;
    IF note IS NULL THEN
        changes := mark.base_writes - done.base_writes;
        IF changes = 0 THEN
            note := concat_ws('; ',
                (SELECT string_agg(f.detail, '; ') FROM unnest(lifecycle._query_findings(view)) AS f
                    WHERE f.finding <> 'collation'),
                -- Catalogs are no dependencies, and change without being counted.
                (SELECT min('it reads ' || m[1]::oid::regclass)
                 FROM (SELECT u.object_id FROM lifecycle._query_uses(view) AS u
                     WHERE u.class_id = 'pg_class'::regclass UNION SELECT view) AS r
                 JOIN pg_rewrite AS w ON w.ev_class = r.object_id
                 CROSS JOIN LATERAL regexp_matches(w.ev_action::text, ':relid (\d+)', 'g') AS m
                 WHERE m[1]::bigint BETWEEN 1 AND 16383));
            note := nullif(note, '');
            changes := CASE WHEN note IS NULL THEN 0 END;
        END IF;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._view_changes(
    oid, lifecycle.materialized_view_refresh, lifecycle.view_mark, text
) IS
'How many rows were written to the tables of a materialized view since its last refresh; NULL and a note where nobody
can tell.';
