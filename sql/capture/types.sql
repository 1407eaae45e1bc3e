-- The shapes of capture.
CREATE TYPE lifecycle.located_capture AS (
    queue_name text,
    queue regclass,
    source regclass,
    routine regprocedure,
    consumer name,
    key_columns name [],
    column_numbers smallint [],
    trigger_level text,
    enable_always boolean,
    partitions text [],
    partition_oids oid [],
    is_here boolean
);
COMMENT ON TYPE lifecycle.located_capture IS
'A row of lifecycle.capture with its objects as they are found in this database today; NULL what is gone. is_here: its
oids belong to this database, so that renames are followed.';

CREATE TYPE lifecycle.capture_trigger AS (
    relation regclass,
    trigger_name name,
    event text,
    state text
);
COMMENT ON TYPE lifecycle.capture_trigger IS
'A trigger that a capture needs or has. event: insert, update, delete, truncate, or change (one row trigger for the
first three). state: ok, missing, disabled, not always, or surplus (on a table that is no part of the source).';

CREATE TYPE lifecycle.capture_column AS (
    place integer,
    column_name name,
    column_type text,
    queue_column name,
    queue_type text
);
COMMENT ON TYPE lifecycle.capture_column IS
'A key column: as the source has it now (NULL: dropped), and as the queue has it.';

CREATE TYPE lifecycle.capture_state AS (
    source_schema name,
    source_name name,
    consumer name,
    queue text,
    key_columns name [],
    trigger_level text,
    enable_always boolean,
    entries bigint,
    dead_entries bigint,
    bytes bigint,
    oldest_entry timestamptz,
    lag interval,
    missing text [],
    problem text,
    remedy text
);
COMMENT ON TYPE lifecycle.capture_state IS 'One row of lifecycle.capture_status.';

CREATE TYPE lifecycle.drained AS (
    entries bigint,
    all_rows boolean,
    keys text [],
    problem text
);
COMMENT ON TYPE lifecycle.drained IS
'What lifecycle._drain took. entries: how many, 0 when the queue was empty; all_rows: every row of the source may have
changed, keys is then NULL; keys: the distinct keys, an array literal for each key column, which
lifecycle._drained_keys(queue, keys) makes a table of; problem: why the capture cannot be relied on.';
