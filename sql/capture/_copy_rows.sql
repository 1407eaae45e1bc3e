-- Rows from a source into a copy beside it, while the source is written: first whatever is there, in blocks, then,
-- again and again, the rows whose keys a capture has queued. Nothing here locks a row of the source.

-- A row that row security hides would be lost: the statement fails instead. Only the statement: what this extension
-- reads for itself has row security, too.
CREATE FUNCTION lifecycle._move_rows(statement text, search_path text) RETURNS bigint
LANGUAGE sql SET search_path = pg_catalog, pg_temp SET row_security = off AS $fn$
    SELECT lifecycle._execute(statement, search_path)
$fn$;
COMMENT ON FUNCTION lifecycle._move_rows(text, text) IS
'Runs a statement that copies rows, under a search_path; raises 42501 where row security would hide some. Returns their
number.';

-- By place, not by key: no order, no operator, no index. A row that moves meanwhile is written, so its key is queued; a
-- row that is met twice is skipped the second time. What the snapshots of two blocks make of a unique key that went
-- from one row to another is put right by the replay, since both rows were written.
CREATE FUNCTION lifecycle._copy_blocks(
    source regclass, into_copy regclass, first_block bigint, last_block bigint, search_path text
) RETURNS bigint LANGUAGE sql SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._move_rows(format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM ONLY %s AS s '
        'WHERE s.ctid OPERATOR(pg_catalog.>=) ''(%s,0)''::pg_catalog.tid '
        'AND s.ctid OPERATOR(pg_catalog.<) ''(%s,0)''::pg_catalog.tid ON CONFLICT DO NOTHING',
        into_copy, lifecycle._column_list(c.columns), lifecycle._column_list(c.columns, 's.'), source, first_block,
        last_block), _copy_blocks.search_path)
    FROM (SELECT lifecycle._copy_columns(source, into_copy) AS columns) AS c
$fn$;
COMMENT ON FUNCTION lifecycle._copy_blocks(regclass, regclass, bigint, bigint, text) IS
'Copies the rows of some blocks of a table, up to last_block excluded; returns how many. Raises 42501 where row security
would hide rows.';

-- Everything that is queued, at once: of two rows of which one takes the unique value of the other, the one that gives
-- it up was written first, so it is in this round as well. A row that still cannot be written has been written once
-- more since, and comes again; under the lock, in the last round, there is none.
CREATE FUNCTION lifecycle._replay_keys(
    source regclass, into_copy regclass, queue regclass, is_last boolean, search_path text
) RETURNS bigint LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_columns constant name[] := lifecycle._copy_columns(source, into_copy);
    v_drained lifecycle.drained;
    v_keys text;
    v_same text;
BEGIN
    v_drained := lifecycle._drain(queue, 2147483647);
    IF v_drained.all_rows THEN
        RETURN -1;
    ELSIF v_drained.entries = 0 THEN
        RETURN 0;
    END IF;
    v_keys := lifecycle._drained_keys(queue, v_drained.keys);
    v_same := (SELECT string_agg(format('r.%1$I %2$s k.%1$I', a.attname, lifecycle._equality(a.atttypid)), ' AND '
            ORDER BY a.attnum)
        FROM pg_attribute AS a WHERE a.attrelid = queue AND a.attnum > 2 AND NOT a.attisdropped);
    PERFORM lifecycle._move_rows(format('DELETE FROM %s AS r USING %s WHERE %s', into_copy, v_keys, v_same),
        _replay_keys.search_path);
    PERFORM lifecycle._move_rows(format('INSERT INTO %s (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM ONLY %s AS r '
        'JOIN %s ON %s%s', into_copy, lifecycle._column_list(v_columns), lifecycle._column_list(v_columns, 'r.'),
        source, v_keys, v_same, CASE WHEN is_last THEN '' ELSE ' ON CONFLICT DO NOTHING' END),
        _replay_keys.search_path);
    RETURN v_drained.entries;
END
$fn$;
COMMENT ON FUNCTION lifecycle._replay_keys(regclass, regclass, regclass, boolean, text) IS
'Empties a queue and brings the rows of its keys in the copy to the state of the source; returns the number of entries,
-1 when every row may have changed, so that the copy has to begin afresh. is_last: the source is locked.';
