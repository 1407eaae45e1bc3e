-- Rows from a table into a copy of it, while the table is written: conversion, its way back, splitting and merging
-- partitions share what is here and in _replay.sql. First whatever is there, in blocks, then, again and again, the rows
-- whose keys a capture has queued. Nothing here locks a row of the source.

-- A row that row security hides would be lost: the statement fails instead. Only the statement: what this extension
-- reads for itself has row security, too. Constraints call functions under the path of whoever asked for the copy.
CREATE FUNCTION lifecycle._move_rows(statement text, search_path text) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET row_security = off AS $fn$
    SELECT lifecycle._execute(statement, search_path)
$fn$;
COMMENT ON FUNCTION lifecycle._move_rows(text, text) IS
'Runs a statement that copies rows, under a search_path; raises 42501 where row security would hide some. Returns their
number.';

CREATE FUNCTION lifecycle._same_key(relation regclass, key_columns name[], one text, other text) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(format('%1$s.%3$I %4$s %2$s.%3$I', one, other, a.attname, lifecycle._equality(a.atttypid)),
        ' AND ' ORDER BY a.attnum)
    FROM pg_attribute AS a WHERE a.attrelid = relation AND a.attname = ANY (key_columns)
$fn$;
COMMENT ON FUNCTION lifecycle._same_key(regclass, name[], text, text) IS
'The condition that two aliases agree in some columns of a table.';

-- Only the rows of the table itself: what inherits from it is copied by nobody.
CREATE FUNCTION lifecycle._from_source(source regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE c.relkind WHEN 'p' THEN '' ELSE 'ONLY ' END || source FROM pg_class AS c WHERE c.oid = source
$fn$;
COMMENT ON FUNCTION lifecycle._from_source(regclass) IS 'A table whose rows are copied, as text for FROM.';

CREATE FUNCTION lifecycle._block_condition(first_block bigint, last_block bigint) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN first_block IS NULL THEN 'true' ELSE format('t.ctid OPERATOR(pg_catalog.>=) '
        '''(%s,0)''::pg_catalog.tid AND t.ctid OPERATOR(pg_catalog.<) ''(%s,0)''::pg_catalog.tid', first_block,
        last_block) END
$fn$;
COMMENT ON FUNCTION lifecycle._block_condition(bigint, bigint) IS
'The condition that a row, alias t, lies in these blocks, the last one excluded (first_block NULL: anywhere).';

-- Narrow rows, where nobody has counted them yet.
CREATE FUNCTION lifecycle._batch_blocks(source regclass, max_rows bigint) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT greatest(1, floor(max_rows / CASE WHEN c.reltuples > 0 AND c.relpages > 0
        THEN greatest(1, c.reltuples / c.relpages) ELSE 100 END))::bigint
    FROM pg_class AS c WHERE c.oid = source
$fn$;
COMMENT ON FUNCTION lifecycle._batch_blocks(regclass, bigint) IS 'How many blocks of a table hold about so many rows.';

-- By place, not by key: no order, no operator, no index. A row that moves to another block meanwhile is written, so its
-- key is queued: it may be met twice, or never. Into a copy without any index a second one is simply put; _forget_keys
-- takes all of them out again before a unique index is built. A copy that has its indexes skips it (skip_present): what
-- two snapshots make of a unique value that went from one row to another is put right by the replay, since both rows
-- were written.
CREATE FUNCTION lifecycle._copy_blocks(
    source regclass, destination regclass, first_block bigint, last_block bigint, search_path text,
    predicate text DEFAULT 'true', skip_present boolean DEFAULT false
) RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._move_rows(format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM %s AS t '
        'WHERE %s AND (%s)%s', destination, lifecycle._column_list(c.columns), lifecycle._column_list(c.columns, 't.'),
        lifecycle._from_source(source), lifecycle._block_condition(first_block, last_block), predicate,
        CASE WHEN skip_present THEN ' ON CONFLICT DO NOTHING' ELSE '' END), _copy_blocks.search_path)
    FROM (SELECT lifecycle._copy_columns(source, destination) AS columns) AS c
$fn$;
COMMENT ON FUNCTION lifecycle._copy_blocks(regclass, regclass, bigint, bigint, text, text, boolean) IS
'Copies the rows of some blocks of a table, up to last_block excluded (first_block NULL: all), that a predicate, alias
t, holds for; returns how many. Raises 42501 where row security would hide rows. Keep how far it is in the same
transaction.';

-- What was written while the blocks were read, whatever the copy made of it: gone, and the replay brings it back as it
-- is now. One pass over the copy, without an index. What is left was not written since the capture began, so it breaks
-- no unique key that the source keeps.
CREATE FUNCTION lifecycle._forget_keys(
    queue regclass, destination regclass, key_columns name[], search_path text
) RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._move_rows(format('DELETE FROM %s AS t USING (SELECT DISTINCT %s FROM %s AS q) AS k WHERE %s',
        destination, lifecycle._column_list(key_columns, 'q.'), queue,
        lifecycle._same_key(queue, key_columns, 't', 'k')), _forget_keys.search_path)
$fn$;
COMMENT ON FUNCTION lifecycle._forget_keys(regclass, regclass, name[], text) IS
'Deletes all rows from a copy whose keys are queued, and leaves the queue as it is; returns how many.';
