-- What the refresh functions pass to each other and return.
CREATE TYPE lifecycle.refresh_item AS (
    view oid,
    depends_on oid [],
    note text
);
COMMENT ON TYPE lifecycle.refresh_item IS
'A materialized view in refresh order, with the materialized views that it reads, directly or through plain views and
functions.';

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
sqlstate and error), skipped (what it reads was not refreshed) or busy (another run, or another refresh of the view, is
under way); rows as the planner reckons; bytes with indexes.';

CREATE TYPE lifecycle.view_freshness AS (
    severity text,
    object text,
    finding text,
    detail text,
    remedy text,
    view_schema name,
    view_name name,
    last_refreshed_at timestamptz,
    seconds_old bigint
);
COMMENT ON TYPE lifecycle.view_freshness IS
'A lifecycle.finding about the age of a materialized view, with the figures.';

CREATE TYPE lifecycle.query_shape AS (
    definition text,
    columns name [],
    column_types text [],
    relations oid [],
    key_plan jsonb,
    findings lifecycle.finding []
);
COMMENT ON TYPE lifecycle.query_shape IS
'What the catalog and the planner say about a query: its text with every name qualified, its columns, the tables it
reads (also through views), the plan of one key, and what speaks against keeping it incrementally.';

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
    settings jsonb,
    tolerance interval,
    rebuild_reason text,
    rebuilt_at timestamptz,
    data_as_of timestamptz,
    created_by name,
    session_by name,
    writer text,
    is_here boolean
);
COMMENT ON TYPE lifecycle.located_incremental IS
'A row of lifecycle.incremental_view with its objects as they are found in this database today; NULL what is gone.';
