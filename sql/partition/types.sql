-- A type of its own, so that ARRAY[lifecycle.by_list(...), lifecycle.by_range(...)] may stand where levels are taken.
CREATE DOMAIN lifecycle.partition_level AS jsonb;
COMMENT ON DOMAIN lifecycle.partition_level IS
'A level of partitions, as lifecycle.by_list, by_range and by_hash write it: [{"method": "list", "column": ...}].';

-- What partition functions pass to each other and return.
CREATE TYPE lifecycle.range_key AS (
    column_name name,
    type regtype
);
COMMENT ON TYPE lifecycle.range_key IS
'The key of a RANGE partitioned table: one column of a type of times or numbers.';

CREATE TYPE lifecycle.range_bound AS (
    literal text,
    place numeric,
    local_time timestamp
);
COMMENT ON TYPE lifecycle.range_bound IS
'One end of a range. literal: as it is written in FOR VALUES; place: where it lies, comparable across types (of times
the seconds since 1970; -Infinity for MINVALUE); local_time: what a clock in the set''s time zone shows, for names; NULL
for numbers.';

CREATE TYPE lifecycle.range_ends AS (
    lower_end lifecycle.range_bound,
    upper_end lifecycle.range_bound
);
COMMENT ON TYPE lifecycle.range_ends IS 'A range: its two bounds.';

CREATE TYPE lifecycle.range_partition AS (
    parent oid,
    partition oid,
    relkind text,
    is_default boolean,
    lower_bound text,
    upper_bound text,
    lower_place numeric,
    upper_place numeric
);
COMMENT ON TYPE lifecycle.range_partition IS
'A partition with its bounds as the catalog has them: as text, in UTC, and as places (see lifecycle.range_bound).';

CREATE TYPE lifecycle.set_plan AS (
    parent oid,
    time_zone text,
    plan lifecycle.plan_step [],
    failures lifecycle.step_result [],
    singles lifecycle.plan_step []
);
COMMENT ON TYPE lifecycle.set_plan IS
'The plan of one partitioned table among several, with what could not be planned, and the steps that are run each by
itself when they fail together.';

CREATE TYPE lifecycle.retired_set AS (
    partitions regclass [],
    failures lifecycle.step_result []
);
COMMENT ON TYPE lifecycle.retired_set IS 'Partitions that may go together, and why others may not.';

CREATE TYPE lifecycle.due_set AS (
    parent oid,
    levels jsonb [],
    options jsonb,
    is_number boolean,
    is_due boolean,
    ahead_to numeric,
    covered_from numeric,
    covered_to numeric,
    signature numeric
);
COMMENT ON TYPE lifecycle.due_set IS
'A managed table of ranges: its levels and what its policy says, whether something is missing, how far it reaches; from
where to where it has no hole (covered_to is NULL when that was known already), and the signature of its partitions.';

CREATE TYPE lifecycle.new_partition AS (
    identity text,
    bounds text,
    ends lifecycle.range_ends
);
COMMENT ON TYPE lifecycle.new_partition IS
'A partition that replaces another: its qualified name, FOR VALUES, and, of a range, its ends.';

CREATE TYPE lifecycle.located_dimension AS (
    parent regclass,
    dimension regclass,
    routine regprocedure,
    queue regclass,
    path_columns name [],
    has_predicate boolean,
    at_once boolean,
    levels jsonb []
);
COMMENT ON TYPE lifecycle.located_dimension IS
'A row of lifecycle.partition_dimension with its objects as they are found in this database today, and the levels of the
managed table.';

CREATE TYPE lifecycle.partition_size AS (
    parent_schema name,
    parent_name name,
    partition_schema name,
    partition_name name,
    lower_bound text,
    upper_bound text,
    row_estimate bigint,
    size_bytes bigint,
    size_gb numeric,
    share numeric,
    alert boolean
);
COMMENT ON TYPE lifecycle.partition_size IS 'A row of lifecycle.check_partition_sizes.';

CREATE TYPE lifecycle.partition_analysis AS (
    partition_schema name,
    partition_name name,
    status text,
    duration_ms numeric,
    sqlstate text,
    error text
);
COMMENT ON TYPE lifecycle.partition_analysis IS 'A row of lifecycle.analyze_all_partitions.';

INSERT INTO lifecycle.routine_purpose (routine, purpose) VALUES ('check_partition_sizes', 'use');
