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
    row_estimate bigint,
    size_bytes bigint,
    sqlstate text,
    error text,
    note text
);
COMMENT ON TYPE lifecycle.refresh_result IS
'What became of one materialized view. mode: concurrent or plain; status: refreshed, failed (with sqlstate and error),
skipped (what it reads was not refreshed) or busy (another run is under way: one row without a view).';

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
