-- Rows whose keys were captured are brought to their present state: whatever stands under a captured key goes, and what
-- the source has for it now comes. Whatever changes meanwhile has its own entry. A nested loop over the keys is always
-- right here: it prunes partitions key by key, which the planner does not reckon with.
CREATE FUNCTION lifecycle._replay_statement(
    source regclass, destination regclass, read_key name[], conflict_key name[], keys text, condition text
) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format('INSERT INTO %s AS d (%s) OVERRIDING SYSTEM VALUE SELECT %s FROM (SELECT DISTINCT %s FROM %s) AS k '
            || 'JOIN %s AS t ON %s WHERE (%s)',
            destination, lifecycle._column_list(c.columns), lifecycle._column_list(c.columns, 't.'),
            lifecycle._column_list(read_key, 'k.'), keys, lifecycle._from_source(source),
            lifecycle._same_key(source, read_key, 't', 'k'), condition)
        || CASE WHEN conflict_key IS NULL THEN ''
            WHEN conflict_key = '{}' THEN ' ON CONFLICT DO NOTHING'
            ELSE format(' ON CONFLICT (%s) DO ', lifecycle._column_list(conflict_key)) || coalesce((
                SELECT 'UPDATE SET ' || string_agg(format('%1$I = excluded.%1$I', u), ', ')
                FROM unnest(c.columns) AS u WHERE u <> ALL (conflict_key)
            ), 'NOTHING') END
    FROM (SELECT lifecycle._copy_columns(source, destination) AS columns) AS c
$fn$;
COMMENT ON FUNCTION lifecycle._replay_statement(regclass, regclass, name[], name[], text, text) IS
'The statement that writes the present rows of some keys (text for FROM) into another table.';

CREATE FUNCTION lifecycle._replay(
    queue regclass,
    source regclass,
    destination regclass,
    read_key name[],
    delete_key name[],
    conflict_key name[],
    max_rows integer,
    search_path text,
    condition text DEFAULT 'true',
    OUT entries bigint,
    OUT all_rows boolean,
    OUT problem text
) LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp
SET enable_hashjoin = off SET enable_mergejoin = off SET enable_seqscan = off AS $fn$
DECLARE
    v_drained constant lifecycle.drained := lifecycle._drain(queue, max_rows);
    v_keys text;
BEGIN
    entries := v_drained.entries;
    all_rows := v_drained.all_rows;
    problem := v_drained.problem;
    IF v_drained.keys IS NULL THEN
        RETURN;
    END IF;
    v_keys := lifecycle._drained_keys(queue, v_drained.keys);
    PERFORM lifecycle._move_rows(format('DELETE FROM %s AS t USING %s WHERE %s', destination, v_keys,
        lifecycle._same_key(queue, delete_key, 't', 'k')), _replay.search_path);
    PERFORM lifecycle._move_rows(lifecycle._replay_statement(source, destination, read_key, conflict_key, v_keys,
        condition), _replay.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle._replay(
    regclass, regclass, regclass, name[], name[], name[], integer, text, text
) IS
'Takes entries out of a queue and brings the rows of their keys in another table to the state of the source. read_key:
the captured columns that find a row in the source; delete_key: those that find it in the destination; conflict_key: its
unique key when the row may stand there under another captured key (an upsert), empty when a row that cannot be written
yet is left to its next entry, else NULL; search_path: of the constraints; condition: on the rows of the source, alias
t. all_rows: nothing was written, the consumer must begin afresh. Raises 42501 where row security would hide rows.';
