-- What the refresh functions pass to each other and return.
CREATE TYPE lifecycle.view_mark AS (
    stats_epoch text,
    bases text,
    base_writes bigint,
    note text
);
COMMENT ON TYPE lifecycle.view_mark IS
'What the tables of a materialized view looked like. stats_epoch: since when the counters count; bases: a digest of its
tables, partitions and files, and of the views and functions in between; base_writes: rows written to them since then;
note: why nothing can be said.';

CREATE TYPE lifecycle.refresh_item AS (
    view oid,
    kind text,
    depends_on oid [],
    need text,
    why text,
    refresh_id bigint,
    mark lifecycle.view_mark,
    note text
);
COMMENT ON TYPE lifecycle.refresh_item IS
'A view in refresh order. kind: materialized view or incremental view; depends_on: those that it reads, directly or
through plain views and functions; need: due, fed (only when one that it reads is refreshed in this run) or none, and
why; refresh_id: the last refresh that succeeded.';

CREATE TYPE lifecycle.refresh_state AS (
    view oid,
    kind text,
    is_populated boolean,
    last_refreshed_at timestamptz,
    refresh_id bigint,
    refresh_time_ms numeric,
    mode text,
    refreshed_by name,
    last_status text,
    last_tried_at timestamptz,
    last_sqlstate text,
    last_error text,
    checked_at timestamptz,
    data_as_of timestamptz,
    changes bigint,
    change_note text,
    refreshed_by_hand boolean,
    every interval,
    min_changes bigint,
    max_age interval,
    due_at timestamptz,
    need text,
    why text
);
COMMENT ON TYPE lifecycle.refresh_state IS
'What is known about a materialized or incremental view, as lifecycle.mv_refresh_status tells it. need and why: as in
lifecycle.refresh_item, by its policy.';

CREATE TYPE lifecycle.refresh_result AS (
    view_schema name,
    view_name name,
    refresh_time_ms numeric,
    mode text,
    status text,
    rows bigint,
    bytes bigint,
    sqlstate text,
    error text,
    note text
);
COMMENT ON TYPE lifecycle.refresh_result IS
'What became of one view. mode: concurrent or plain, incremental or rebuild; status: refreshed, unchanged, failed (with
sqlstate and error), skipped (what it reads was not refreshed), not due (only_due: not managed, or too early), pending
(left for the next step) or busy (another run, or another refresh of the view, is under way); rows as the planner
reckons; bytes with indexes.';

CREATE TYPE lifecycle.view_freshness AS (
    severity text,
    object text,
    finding text,
    detail text,
    remedy text,
    view_schema name,
    view_name name,
    last_refreshed_at timestamptz,
    seconds_old bigint,
    data_as_of timestamptz,
    checked_at timestamptz
);
COMMENT ON TYPE lifecycle.view_freshness IS
'A lifecycle.finding about the age of a materialized or incremental view, with the figures; data_as_of and checked_at:
as in lifecycle.mv_refresh_status.';

CREATE TYPE lifecycle.query_shape AS (
    definition text,
    columns name [],
    column_types text [],
    relations oid [],
    key_plan jsonb,
    path_plan jsonb,
    findings lifecycle.finding []
);
COMMENT ON TYPE lifecycle.query_shape IS
'What the catalog and the planner say about a query: its text with every name qualified, its columns, the tables it
reads (also through views), the plan of one key as it is and with nested loops throughout, and what speaks against
keeping it incrementally.';

CREATE TYPE lifecycle.scan_link AS (
    scan bigint,
    relation oid,
    is_global boolean,
    column_name name,
    place integer,
    other_scan bigint,
    other_relation oid,
    other_column name,
    as_text boolean
);
COMMENT ON TYPE lifecycle.scan_link IS
'A scan in a plan, and a column in which it is asked for a column of the key (place), or of another scan. is_global: it
is done once for all keys; as_text: both are compared as text.';

CREATE TYPE lifecycle.view_source AS (
    relation text,
    way text,
    columns name [],
    query text,
    consumer name,
    queue text
);
COMMENT ON TYPE lifecycle.view_source IS
'A table that an incremental view reads. way: key (columns are the key), query (query maps captured columns to keys),
rebuild (any change means a rebuild) or none (not watched). queue: where its changes are captured for this view alone.';

CREATE TYPE lifecycle.located_incremental AS (
    target regclass,
    query_view regclass,
    key_columns name [],
    columns name [],
    sources lifecycle.view_source [],
    queues text [],
    settings jsonb,
    tolerance interval,
    rebuild_reason text,
    rebuilt_at timestamptz,
    rebuild_ms numeric,
    key_ms numeric,
    data_as_of timestamptz,
    created_by name,
    session_by name,
    writer text,
    is_here boolean,
    routine text,
    fingerprint text,
    ground jsonb
);
COMMENT ON TYPE lifecycle.located_incremental IS
'A row of lifecycle.incremental_view with its objects as they are found in this database today; NULL what is gone.';

CREATE TYPE lifecycle.merge_parts AS (
    target text,
    query_view text,
    columns name [],
    key_columns name [],
    key_types text [],
    equalities text []
);
COMMENT ON TYPE lifecycle.merge_parts IS
'What the statements of an incremental view are put together from: names and types as they are written in SQL, the
columns of its query, and the equality of each key column.';

CREATE TYPE lifecycle.taken_keys AS (
    entries bigint,
    all_rows boolean,
    keys text [],
    key_count bigint,
    counts bigint []
);
COMMENT ON TYPE lifecycle.taken_keys IS
'What the generated function of an incremental view took out of its queue, and did. keys: an array literal a key column,
where it leaves the rest to its caller; counts: as lifecycle._merge returns them, NULL when it wrote nothing.';

CREATE TYPE lifecycle.refresh_work AS (
    counts bigint [],
    key_total bigint,
    reason text,
    problem text,
    drained_at timestamptz,
    merge_ms numeric
);
COMMENT ON TYPE lifecycle.refresh_work IS
'What a refresh of an incremental view did. counts: rows inserted, updated, deleted; reason: why it was a rebuild;
problem: of a capture; drained_at: when it looked at the queues last.';
