-- In the database that wrote a row the oid counts, which follows a rename; in a restored one the name.
CREATE FUNCTION lifecycle._last_refresh(view oid, origin text, succeeded boolean)
RETURNS lifecycle.materialized_view_refresh LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row lifecycle.materialized_view_refresh;
BEGIN
    SELECT r.* INTO v_row FROM lifecycle.materialized_view_refresh AS r
    WHERE r.view_oid = view AND r.origin = _last_refresh.origin AND (r.status = 'refreshed' OR NOT succeeded)
    ORDER BY r.started_at DESC
    LIMIT 1;
    IF NOT FOUND THEN
        SELECT r.* INTO v_row FROM lifecycle.materialized_view_refresh AS r
        JOIN pg_class AS c ON c.oid = view AND c.relname = r.view_name
        JOIN pg_namespace AS n ON n.oid = c.relnamespace AND n.nspname = r.view_schema
        WHERE r.origin <> _last_refresh.origin AND (r.status = 'refreshed' OR NOT succeeded)
        ORDER BY r.started_at DESC
        LIMIT 1;
    END IF;
    RETURN v_row;
END
$fn$;
COMMENT ON FUNCTION lifecycle._last_refresh(oid, text, boolean) IS
'The last refresh of a view in its history, or the last one that succeeded.';

CREATE FUNCTION lifecycle._waiting_changes() RETURNS TABLE (view oid, changes bigint)
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT v.target::oid, sum(z.entries)::bigint
    FROM lifecycle._incremental_views() AS v
    JOIN lifecycle._captures() AS c ON c.queue_name = ANY (v.queues) AND c.queue IS NOT NULL
    CROSS JOIN LATERAL lifecycle._capture_size(c.queue) AS z
    GROUP BY v.target::oid
$fn$;
COMMENT ON FUNCTION lifecycle._waiting_changes() IS 'How many entries wait in the queues of each incremental view.';

-- A tick comes a little late or early: a tenth of the interval, at most half a minute, does not count. Else a view that
-- is to be refreshed every five minutes by a tick a minute would be refreshed every six.
CREATE FUNCTION lifecycle._refresh_need(
    policy lifecycle.materialized_view_policy, data_as_of timestamptz, failed_at timestamptz, changes bigint,
    OUT due_at timestamptz, OUT need text, OUT why text
) LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_early constant interval := least(policy.every / 10, interval '30 seconds');
    v_since constant timestamptz := greatest(data_as_of, failed_at);
BEGIN
    IF policy.policy_id IS NULL THEN
        need := 'none';
        why := 'it is not managed';
        RETURN;
    END IF;
    due_at := v_since + policy.every;
    IF due_at - v_early > clock_timestamp() THEN
        need := 'none';
        why := format('it is refreshed every %s', policy.every);
    ELSIF data_as_of IS NULL OR changes IS NULL OR changes >= policy.min_changes
        OR data_as_of + policy.max_age - v_early < clock_timestamp()
    THEN
        need := 'due';
    ELSE
        need := 'fed';
        why := CASE changes WHEN 0 THEN 'nothing has changed'
            ELSE format('%s changes, it waits for %s', changes, policy.min_changes) END;
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_need(
    lifecycle.materialized_view_policy, timestamptz, timestamptz, bigint
) IS 'What a policy says about a view now, and when its time comes or came.';

CREATE FUNCTION lifecycle._refresh_state() RETURNS SETOF lifecycle.refresh_state
LANGUAGE sql VOLATILE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH mark AS MATERIALIZED (
        SELECT m.* FROM lifecycle._view_marks(ARRAY(SELECT c.oid FROM pg_class AS c WHERE c.relkind = 'm')) AS m
    ), incremental AS MATERIALIZED (
        SELECT v.* FROM lifecycle.incremental_view AS v
    ), unseen AS MATERIALIZED (
        SELECT u.* FROM lifecycle._unseen_changes() AS u
    ), item AS MATERIALIZED (
        SELECT c.oid AS view, c.relkind, c.relispopulated, c.relfilenode, o.origin, i.rebuilt_at, i.checked_at,
            i.data_as_of, CASE WHEN i.origin = o.origin THEN coalesce(i.rebuild_reason, u.reason)
                WHEN i.target IS NOT NULL THEN 'it was restored into this database' END AS rebuild_reason,
            lifecycle._last_refresh(c.oid, o.origin, true) AS done,
            lifecycle._last_refresh(c.oid, o.origin, false) AS latest
        FROM (SELECT lifecycle._origin() AS origin OFFSET 0) AS o
        CROSS JOIN pg_class AS c
        LEFT JOIN incremental AS i
            ON c.oid = CASE WHEN i.origin = o.origin THEN i.target_oid ELSE lifecycle._named_relation(i.target) END
        LEFT JOIN unseen AS u ON u.view = c.oid
        WHERE c.relkind = 'm' OR i.target IS NOT NULL
    )
    SELECT i.view, k.kind, CASE i.relkind WHEN 'm' THEN i.relispopulated ELSE i.rebuilt_at IS NOT NULL END,
        t.data_as_of, (i.done).refresh_id, (i.done).refresh_time_ms, (i.done).mode, (i.done).refreshed_by,
        CASE WHEN k.is_over THEN 'unchanged' ELSE (i.latest).status END,
        greatest((i.latest).started_at, CASE WHEN k.is_over THEN i.checked_at END),
        CASE WHEN NOT k.is_over THEN (i.latest).sqlstate END,
        CASE WHEN NOT k.is_over
            THEN coalesce((i.latest).error, CASE (i.latest).status WHEN 'skipped' THEN (i.latest).note END) END,
        CASE i.relkind WHEN 'm' THEN greatest((i.latest).started_at, (i.done).checked_at) ELSE i.checked_at END,
        t.data_as_of, h.changes, h.note,
        i.relkind = 'm' AND coalesce((i.done).origin = i.origin AND (i.done).stats_epoch = (m.mark).stats_epoch
            AND (i.done).view_writes < lifecycle._rows_written(i.view)
            OR (i.done).origin = i.origin AND (i.done).stats_epoch <> (m.mark).stats_epoch
            AND (i.done).file_node <> i.relfilenode, false),
        (p.policy).every, (p.policy).min_changes, (p.policy).max_age, n.due_at, n.need, n.why
    FROM item AS i
    CROSS JOIN LATERAL (SELECT CASE i.relkind WHEN 'm' THEN 'materialized view' ELSE 'incremental view' END AS kind,
        CASE (i.latest).status WHEN 'failed' THEN (i.latest).started_at END AS failed_at,
        -- An incremental refresh that found nothing leaves no history: it puts an end to an earlier failure.
        coalesce(i.relkind <> 'm' AND (i.latest).status <> 'refreshed' AND i.checked_at > (i.latest).started_at, false)
            AS is_over
    ) AS k
    LEFT JOIN mark AS m ON m.view = i.view
    LEFT JOIN lifecycle._waiting_changes() AS w ON w.view = i.view
    LEFT JOIN lifecycle._view_policies() AS p ON p.view = i.view
    CROSS JOIN LATERAL (SELECT CASE i.relkind WHEN 'm' THEN CASE WHEN i.relispopulated THEN (i.done).started_at END
        ELSE i.data_as_of END AS data_as_of) AS t
    CROSS JOIN LATERAL (
        SELECT x.changes, x.note FROM lifecycle._view_changes(i.view, i.done, m.mark, i.origin) AS x
        WHERE i.relkind = 'm'
        UNION ALL
        SELECT CASE WHEN i.rebuild_reason IS NULL THEN w.changes END, i.rebuild_reason WHERE i.relkind <> 'm'
    ) AS h
    CROSS JOIN LATERAL lifecycle._refresh_need(p.policy, t.data_as_of, k.failed_at, h.changes) AS n
$fn$;
COMMENT ON FUNCTION lifecycle._refresh_state() IS
'What is known about each materialized and incremental view, and what its policy asks for now.';
