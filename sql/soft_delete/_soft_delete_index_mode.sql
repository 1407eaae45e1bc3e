-- Marking a row touches every index whenever one of them mentions a column that changes, and the index on the number of
-- the deletion always does. So the choice is: whole indexes that are found by every query, or indexes of live rows that
-- do not grow with what is deleted; a mixture has the disadvantages of both.
CREATE FUNCTION lifecycle._index_mode_steps(target regclass, deleted_at name, index_mode text)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_index record;
    v_plan lifecycle.plan_step[] := '{}';
BEGIN
    IF index_mode IS NULL OR index_mode NOT IN ('deletion', 'live', 'none') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('index_mode cannot be %s', coalesce(quote_literal(index_mode), 'NULL')),
            HINT = 'Choose deletion, live or none.';
    ELSIF index_mode <> 'live' THEN
        RETURN v_plan;
    END IF;
    FOR v_index IN
        SELECT i.indexrelid AS index_oid, CASE
            WHEN lifecycle._counts_live_rows(i.indexrelid, deleted_at) THEN 'holds live rows only already'
            WHEN NOT i.indisvalid THEN 'stays as it is: it is not valid'
            WHEN i.indisreplident THEN 'stays whole: it is the replica identity of the table'
            ELSE 'stays whole: foreign key ' || (
                SELECT quote_ident(min(k.conname)) FROM pg_constraint AS k
                WHERE k.conrelid = target AND k.contype = 'f' AND i.indkey[0] = ANY (k.conkey)
            ) || ' looks for rows by it, deleted ones too' END AS reason
        FROM pg_index AS i JOIN pg_class AS c ON c.oid = i.indexrelid
        WHERE i.indrelid = target AND NOT i.indisunique AND NOT i.indisexclusion
            AND NOT EXISTS (SELECT FROM pg_attribute AS a WHERE a.attrelid = target
                AND a.attname IN (deleted_at, 'deletion_id') AND a.attnum = ANY (i.indkey::int2[]))
        ORDER BY c.relname
    LOOP
        v_plan := v_plan || CASE WHEN v_index.reason IS NULL
            THEN lifecycle._live_index_steps(v_index.index_oid, deleted_at)
            ELSE ARRAY[lifecycle._step('live index', 'index ' || v_index.index_oid::regclass, NULL,
                note => v_index.reason)] END;
    END LOOP;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._index_mode_steps(regclass, name, text) IS
'The steps that make the ordinary indexes of a table hold live rows only; raises 22023 for an unknown mode.';
