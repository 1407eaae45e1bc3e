-- Shapes of this module.
CREATE TYPE lifecycle.key_column AS (
    name name,
    type text,
    equals text
);
COMMENT ON TYPE lifecycle.key_column IS
'A column of a primary key: its name, its type, and the equality operator of the key, written so that no search_path
matters.';

CREATE TYPE lifecycle.purge_part AS (
    relation oid,
    root oid,
    places tid []
);
COMMENT ON TYPE lifecycle.purge_part IS
'Rows that a purge has chosen: the table or partition, the table that it is part of (itself where it is none), and
where in it the rows stand, which nobody can change while they are locked.';

CREATE TYPE lifecycle.soft_delete_stat AS (
    table_schema name,
    table_name name,
    active bigint,
    deleted bigint,
    deletion_rate numeric,
    oldest_deletion timestamptz,
    newest_deletion timestamptz
);
COMMENT ON TYPE lifecycle.soft_delete_stat IS
'Rows of a soft-deleted table: active and deleted (counts), deletion_rate (percent of all), oldest and newest
deletion.';

CREATE TYPE lifecycle.erase_result AS (
    table_schema name,
    table_name name,
    live bigint,
    deleted bigint,
    archived bigint,
    erased bigint,
    remaining bigint,
    note text
);
COMMENT ON TYPE lifecycle.erase_result IS
'What lifecycle.erase found of a data subject in a table: rows that were live, deleted (marked) and archived, how many
of them were erased and how many remain; note: why, or what else holds copies.';
