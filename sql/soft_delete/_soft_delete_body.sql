-- The bodies of generated functions. Each is whole in itself: it goes on working when the extension is gone, and then
-- takes its numbers from the clock. {placeholders} are filled by _soft_delete_body. What a statement has done so far
-- stands in the transaction-local setting lifecycle.deletion, a stack of entries of six integers, so that statements
-- within statements keep apart: key, table, number of the deletion, its rows, number of one taken back, its rows.
-- The key is the depth d at which the row triggers of an UPDATE run; the rows of a DELETE are updated one by one and
-- share the key -2d, or when it is one on the view -2d-1 (updated at once) alias -2d+1 (by a DELETE on the table).

-- Everything that is asked of schema lifecycle is asked of the catalog first.
CREATE FUNCTION lifecycle._soft_delete_snippet(name text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE name
        WHEN 'logged' THEN $body$coalesce(has_schema_privilege(to_regnamespace('lifecycle')::oid, 'USAGE'), false);
    IF v_logged THEN
        v_logged := coalesce(has_sequence_privilege(to_regclass('lifecycle.deletion_deletion_id_seq'), 'USAGE'), false);
    END IF;$body$
        -- Anybody may write a setting, but only a transaction of ours has drawn the number.
        WHEN 'prove' THEN $body$IF v_id <> currval(to_regclass('lifecycle.deletion_deletion_id_seq')) AND NOT EXISTS (
                SELECT FROM lifecycle.deletion AS d
                WHERE d.deletion_id = v_id AND d.transaction_id = pg_current_xact_id()
            ) THEN
                RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
                    MESSAGE = format('deletion %s does not belong to this statement', v_id),
                    DETAIL = 'Somebody has written to the setting lifecycle.deletion.',
                    HINT = 'RESET lifecycle.deletion';
            END IF;$body$
        WHEN 'flush' THEN $body$UPDATE lifecycle.deletion AS d SET
                    restored_at = now(),
                    restored_by = coalesce(nullif(current_setting('role'), 'none'), session_user),
                    restored_count = d.restored_count + v_pending[v_at + 5]
                WHERE d.deletion_id = abs(v_pending[v_at + 4])
                    AND lifecycle._deletion_relation(d.table_schema, d.table_name, d.table_oid, d.origin) = {oid};$body$
        WHEN 'has_refs' THEN $body$(to_regprocedure({ref_literal} || '(text,bigint,oid[])') IS NOT NULL
                AND EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid IN (TG_RELID, {oid}) AND t.tgisinternal
                    AND t.tgconstraint <> 0 AND t.tgtype::integer & 8 = 8))$body$
        WHEN 'from_keys' THEN $body$EXISTS (SELECT FROM pg_constraint AS k
                WHERE k.conrelid IN (TG_RELID, {oid}) AND k.contype = 'f')$body$
        WHEN 'popped' THEN $body$coalesce(nullif((v_pending[:v_at - 1] || v_pending[v_at + 6:])::text, '{}'), '')$body$
        -- How many rows of which table, added up.
        WHEN 'add' THEN $body$(SELECT coalesce(jsonb_object_agg(s.name, s.rows), '{}') FROM (
                SELECT e.key AS name, sum(e.value::bigint) AS rows
                FROM (SELECT * FROM jsonb_each_text(v_counts) UNION ALL SELECT * FROM jsonb_each_text(v_more)) AS e
                GROUP BY e.key) AS s)$body$
        -- PostgreSQL judges. Without row-level security the right to UPDATE or to DELETE will do. With it, by the right
        -- to DELETE the row, or to UPDATE it where the role has no policy for DELETE; one is the last word.
        WHEN 'mark' THEN $body$v_may_delete := has_table_privilege({table_literal}::regclass, 'DELETE');
    v_may_update := has_column_privilege({table_literal}::regclass, {deleted_at_literal}, 'UPDATE');
    v_secured := row_security_active({table_literal}::regclass);
    IF NOT v_may_update OR v_may_delete AND v_secured THEN
        PERFORM set_config('lifecycle.marked', '', true), set_config('lifecycle.soft_delete', {table_literal}, true),
            set_config('search_path', {path}, true);
        DELETE FROM {table} AS t WHERE {same_key};
        GET DIAGNOSTICS v_really = ROW_COUNT;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
        PERFORM set_config('lifecycle.soft_delete', '', true);
        v_marked := current_setting('lifecycle.marked') <> '';
    END IF;
    IF v_really > 0 THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('a row of %s would really have been deleted', {table_literal}),
            DETAIL = 'The trigger aa_soft_delete of the table did not fire.',
            HINT = format('ALTER TABLE %s ENABLE ALWAYS TRIGGER aa_soft_delete', {table_literal});
    END IF;
    IF NOT v_marked AND v_may_update AND NOT (v_may_delete AND v_secured AND EXISTS (
        SELECT FROM pg_policy AS p CROSS JOIN LATERAL unnest(p.polroles) AS r (role)
        WHERE p.polrelid = {table_literal}::regclass AND p.polpermissive AND p.polcmd IN ('d', '*')
            AND (r.role = 0 OR pg_has_role(r.role, 'USAGE'))))
    THEN
        PERFORM set_config('search_path', {path}, true);
        UPDATE {table} AS t SET {deleted_at} = pg_catalog.now() WHERE {same_key} AND t.{deleted_at} IS NULL;
        v_marked := FOUND;
        PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    END IF;$body$
    END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_snippet(text) IS 'A passage that several generated bodies share.';

CREATE FUNCTION lifecycle._soft_delete_delete_template() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT $body$
-- Generated by pg_lifecycle. A DELETE that came through the active view, soft_delete() or the RPC marks the row.
-- SECURITY DEFINER because PostgreSQL has let the caller DELETE the row, and a SELECT policy that hides marked rows
-- would forbid him to mark it.
DECLARE
    v_asked text := coalesce(current_setting('lifecycle.soft_delete', true), '');
    v_rows bigint;
    v_context text;
    v_parent text;
    v_gone boolean;
BEGIN
    -- A foreign key that cascades from another table is not what was asked for: its row must really go. The words alone
    -- could be anybody's; the row it belongs to has gone before.
    GET DIAGNOSTICS v_context = PG_CONTEXT;
    IF v_context ~ E'GET DIAGNOSTICS[^\n]*\n[^\n]{0,40}DELETE FROM ONLY ' THEN
        FOR v_parent IN
            SELECT format('SELECT %s AND NOT EXISTS (SELECT FROM %s AS p WHERE %s)',
                string_agg(format('($1).%I IS NOT NULL', c.attname), ' AND '), k.confrelid::regclass,
                string_agg(format('p.%I OPERATOR(%I.%s) ($1).%I', p.attname, n.nspname, o.oprname, c.attname), ' AND '))
            FROM pg_constraint AS k
            CROSS JOIN LATERAL unnest(k.conkey, k.confkey, k.conpfeqop) AS x (child_number, parent_number, operator)
            JOIN pg_attribute AS c ON c.attrelid = k.conrelid AND c.attnum = x.child_number
            JOIN pg_attribute AS p ON p.attrelid = k.confrelid AND p.attnum = x.parent_number
            JOIN pg_operator AS o ON o.oid = x.operator
            JOIN pg_namespace AS n ON n.oid = o.oprnamespace
            WHERE k.conrelid = TG_RELID AND k.contype = 'f' AND k.confdeltype = 'c'
            GROUP BY k.oid, k.confrelid
        LOOP
            EXECUTE v_parent INTO v_gone USING OLD;
            IF v_gone THEN
                RETURN OLD;
            END IF;
        END LOOP;
    END IF;
    PERFORM set_config('lifecycle.soft_delete', '', true), set_config('search_path', {path}, true);
    UPDATE {table} AS t SET {deleted_at} = pg_catalog.now() WHERE {same_key} AND t.{deleted_at} IS NULL;
    GET DIAGNOSTICS v_rows = ROW_COUNT;
    PERFORM pg_catalog.set_config('search_path', 'pg_catalog, pg_temp', true);
    PERFORM set_config('lifecycle.soft_delete', v_asked, true);
    IF v_rows > 0 THEN
        PERFORM set_config('lifecycle.marked',
            (coalesce(nullif(current_setting('lifecycle.marked', true), ''), '0')::bigint + v_rows)::text, true);
    ELSIF OLD.{deleted_at} IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'insufficient_privilege',
            MESSAGE = format('a row of %s could not be marked as deleted', {table_literal}),
            DETAIL = 'Row-level security is forced on the owner of the table and no policy lets it change this row, '
                'or a trigger has kept the row as it was.',
            HINT = format('Give the owner a policy, or ALTER TABLE %s NO FORCE ROW LEVEL SECURITY.', {table_literal});
    END IF;
    RETURN NULL;
END
$body$
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_delete_template() IS
'The body of the trigger function that turns a DELETE into a mark, with placeholders.';

CREATE FUNCTION lifecycle._soft_delete_row_template() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT $body$
-- Generated by pg_lifecycle. Numbers the rows that a statement marks.
-- SECURITY DEFINER because the record of a deletion belongs to the owner of the table, not to whoever deletes.
DECLARE
    v_depth integer := pg_trigger_depth();
    v_keys bigint[];
    v_pending bigint[] := coalesce(nullif(current_setting('lifecycle.deletion', true), ''), '{}')::bigint[];
    v_at integer := 1;
    v_alone boolean := false;
    v_keyed boolean;
    v_id bigint;
    v_logged boolean;
BEGIN
    IF current_setting('session_replication_role') = 'replica'
        AND (NEW.{deleted_at} IS NULL) = (NEW.{deletion_id} IS NULL)
    THEN
        RETURN NEW;  -- As the publisher has numbered it.
    ELSIF (OLD.{deleted_at} IS NULL) = (NEW.{deleted_at} IS NULL) THEN
        -- Deleted once is deleted: a second time changes nothing of the first. The number is not for callers to write.
        NEW.{deleted_at} := OLD.{deleted_at};
        NEW.{deletion_id} := CASE WHEN OLD.{deletion_id} > 0 THEN OLD.{deletion_id} END;
        RETURN NEW;
    END IF;
    v_keys := ARRAY[v_depth, -2 * v_depth, -2 * v_depth - 1, -2 * v_depth + 1];
    IF (v_pending[1] = ANY (v_keys) AND v_pending[2] = {oid}::bigint) IS NOT TRUE THEN
        v_at := (SELECT min(g) FROM generate_series(1, cardinality(v_pending), 6) AS g
            WHERE v_pending[g] = ANY (v_keys) AND v_pending[g + 1] = {oid}::bigint);
        IF v_at IS NULL THEN
            -- A statement that names a partition, or a trigger that marks unasked: no end will come to count the rows.
            v_pending := ARRAY[v_depth, {oid}::bigint, 0, 0, 0, 0];
            v_at := 1;
            v_alone := true;
            IF TG_NAME = 'zz_soft_delete_unasked'
                AND ({has_refs} OR NEW.{deleted_at} IS NULL AND {from_keys})
            THEN
                RAISE EXCEPTION USING ERRCODE = 'feature_not_supported',
                    MESSAGE = format('a trigger marks or restores a row of %s in an UPDATE of other columns',
                        {table_literal}),
                    DETAIL = 'Foreign keys are followed at the end of an UPDATE that names the column.',
                    HINT = format('Let the statement say SET %I = %1$I too.', {deleted_at_literal});
            END IF;
        END IF;
    END IF;
    v_logged := {logged}

    IF NEW.{deleted_at} IS NULL THEN
        v_id := OLD.{deletion_id};
        NEW.{deletion_id} := NULL;
        IF v_id IS NULL OR v_id <> abs(v_pending[v_at + 4]) THEN
            IF v_pending[v_at + 5] > 0 AND v_logged THEN
                {flush}
            END IF;
            v_pending[v_at + 5] := 0;
            v_keyed := ({has_refs} OR {from_keys});
            v_pending[v_at + 4] := coalesce(v_id, 1) * CASE WHEN v_keyed THEN -1 ELSE 1 END;
        END IF;
        -- With a minus: the end of the statement finds the rows by it, follows foreign keys and takes it off.
        IF v_pending[v_at + 4] < 0 THEN
            NEW.{deletion_id} := v_pending[v_at + 4];
        END IF;
        v_pending[v_at + 5] := v_pending[v_at + 5] + 1;
        IF v_alone AND v_logged THEN
            {flush}
        END IF;
        IF v_id IS NOT NULL THEN
            PERFORM set_config('lifecycle.last_restored', v_id || ' ' || {table_literal}, true);
        END IF;
    ELSE
        v_id := v_pending[v_at + 2];
        IF v_id = 0 AND v_logged THEN
            INSERT INTO lifecycle.deletion AS d
                (table_schema, table_name, table_oid, row_count, reason, effective_role, jwt_subject)
            VALUES (
                {schema}, {name}, {oid}, v_alone::integer, nullif(current_setting('lifecycle.reason', true), ''),
                coalesce(nullif(current_setting('role'), 'none'), session_user),
                nullif(current_setting('request.jwt.claims', true), '')::jsonb ->> 'sub'
            )
            RETURNING d.deletion_id INTO v_id;
        ELSIF v_id = 0 THEN
            v_id := (1000000 * extract(epoch FROM clock_timestamp()))::bigint;
        ELSIF v_logged THEN
            {prove}
        END IF;
        NEW.{deletion_id} := v_id;
        v_pending[v_at + 2] := v_id;
        v_pending[v_at + 3] := v_pending[v_at + 3] + 1;
    END IF;
    IF v_alone THEN
        PERFORM set_config('lifecycle.alone', coalesce(NEW.{deletion_id}::text, ''), true);
    ELSE
        PERFORM set_config('lifecycle.deletion', v_pending::text, true);
    END IF;
    RETURN NEW;
END
$body$
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_row_template() IS
'The body of the row trigger function of a soft-deleted table, with placeholders.';

CREATE FUNCTION lifecycle._soft_delete_statement_template() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT $body$
-- Generated by pg_lifecycle. One statement is one deletion: begins it and completes its record.
-- SECURITY DEFINER because the record of a deletion belongs to the owner of the table, not to whoever deletes.
DECLARE
    v_table bigint := {statement_oid};
    v_key bigint := CASE WHEN TG_NARGS > 0 THEN -2 * (pg_trigger_depth() + 1) - 1
        WHEN TG_OP = 'DELETE' THEN -2 * (pg_trigger_depth() + 1) ELSE pg_trigger_depth() END;
    v_text text := coalesce(current_setting('lifecycle.deletion', true), '');
    v_pending bigint[] := coalesce(nullif(v_text, ''), '{}')::bigint[];
    v_at integer;
    v_id bigint;
    v_number bigint;
    v_numbers bigint[] := '{}';
    v_refs boolean := false;
    v_more jsonb;
    v_counts jsonb := '{}';
    v_logged boolean;
BEGIN
    -- The view knows its table by oid, what is written here by a name, which may have gone to another.
    IF TG_WHEN = 'BEFORE' AND TG_NARGS > 0 AND NOT EXISTS (
        SELECT FROM pg_rewrite AS r JOIN pg_depend AS d ON d.classid = 'pg_rewrite'::regclass AND d.objid = r.oid
        WHERE r.ev_class = TG_RELID AND d.refclassid = 'pg_class'::regclass AND d.refobjid = v_table)
    THEN
        RAISE EXCEPTION USING ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s does not show rows of %s', TG_RELID::regclass, {table_literal}),
            DETAIL = format('Its table had the name %s when its triggers were made.', {table_literal}),
            HINT = 'Call lifecycle.sync_active_view() for the table of the view.';
    END IF;
    IF TG_WHEN = 'BEFORE' THEN
        -- Within a DELETE it is the DELETE that is the deletion, and within one on the view that.
        IF TG_NARGS > 0 OR (v_pending[2] = v_table AND (TG_OP = 'DELETE' AND v_pending[1] = v_key + 1
            OR TG_OP = 'UPDATE' AND v_pending[1] IN (-2 * v_key, -2 * v_key - 1, -2 * v_key + 1))) IS NOT TRUE
        THEN
            PERFORM set_config('lifecycle.deletion', '{' || v_key || ',' || v_table || ',0,0,0,0'
                || CASE v_text WHEN '' THEN '}' ELSE ',' || substr(v_text, 2) END, true);
        END IF;
        RETURN NULL;
    END IF;
    IF TG_LEVEL = 'ROW' THEN
        PERFORM set_config('lifecycle.alone', '', true);
        v_logged := {logged}
        v_id := greatest(NEW.{deletion_id}, 0);
        v_numbers := ARRAY[NEW.{deletion_id}];
    ELSE
        v_at := (SELECT min(g) FROM generate_series(1, cardinality(v_pending), 6) AS g
            WHERE v_pending[g] = v_key AND v_pending[g + 1] = v_table);
        IF v_at IS NULL THEN
            RETURN NULL;
        END IF;
        v_id := v_pending[v_at + 2];
        IF v_id = 0 AND v_pending[v_at + 5] = 0 THEN
            PERFORM set_config('lifecycle.deletion', {popped}, true);
            RETURN NULL;
        END IF;
        v_logged := {logged}
        IF v_id <> 0 AND v_logged THEN
            UPDATE lifecycle.deletion AS d SET row_count = d.row_count + v_pending[v_at + 3]
            WHERE d.deletion_id = v_id AND d.transaction_id = pg_current_xact_id();
        END IF;
        IF v_pending[v_at + 5] > 0 AND v_logged THEN
            {flush}
        END IF;
        IF v_pending[v_at + 4] < 0 THEN
            v_numbers := ARRAY(SELECT DISTINCT t.{deletion_id} FROM {table} AS t
                WHERE t.{deletion_id} OPERATOR(pg_catalog.<) 0);
        END IF;
        v_numbers := v_numbers || nullif(v_id, 0);
        PERFORM set_config('lifecycle.deletion', {popped}, true);
    END IF;
    IF {referenced} AND to_regprocedure({ref_literal} || '(text,bigint,oid[])') IS NOT NULL THEN
        FOREACH v_number IN ARRAY array_remove(v_numbers, NULL) LOOP
            v_more := {ref}('follow', v_number, '{}');
            v_refs := v_refs OR v_more IS NOT NULL;
            v_counts := {add};
        END LOOP;
    END IF;
    -- All have been followed before any is checked.
    FOREACH v_number IN ARRAY array_remove(v_numbers, NULL) LOOP
        IF v_number < 0 OR v_refs THEN
            PERFORM {own}(v_number, '{}');
        END IF;
    END LOOP;
    IF v_id <> 0 AND v_counts <> '{}' AND v_logged THEN
        UPDATE lifecycle.deletion AS d SET cascaded = v_counts
        WHERE d.deletion_id = v_id AND d.transaction_id = pg_current_xact_id();
    END IF;
    PERFORM set_config('lifecycle.last_cascade', v_counts::text, true);
    IF v_id <> 0 THEN
        PERFORM set_config('lifecycle.last_deletion', v_id || ' ' || {table_literal}, true);
    END IF;
    RETURN NULL;
END
$body$
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_statement_template() IS
'The body of the statement trigger function of a soft-deleted table, with placeholders.';

-- The INSTEAD OF trigger runs as the caller: it is PostgreSQL that decides whether the row may go. The trigger function
-- of the table then marks it; a row that really went is an error.
CREATE FUNCTION lifecycle._soft_delete_view_template() RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT $body$
-- Generated by pg_lifecycle.
DECLARE
    v_may_delete boolean;
    v_may_update boolean;
    v_secured boolean;
    v_really bigint := 0;
    v_marked boolean := false;
BEGIN
    {mark}
    RETURN CASE WHEN v_marked THEN OLD END;
END
$body$
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_view_template() IS
'The body of the INSTEAD OF trigger function of an active view, with placeholders.';

-- Two rounds of replacement would let a column that is called {table} be replaced again: one pass, from left to right.
CREATE FUNCTION lifecycle._fill(template text, names text[], fillings text[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN (
        SELECT string_agg(
            CASE WHEN p.place = 1 THEN p.piece
                ELSE coalesce(fillings[array_position(names, split.name)] || substr(p.piece, length(split.name) + 2),
                    '{' || p.piece)
            END, '' ORDER BY p.place)
        FROM unnest(string_to_array(template, '{')) WITH ORDINALITY AS p (piece, place)
        CROSS JOIN LATERAL (SELECT substring(p.piece FROM '^([a-z_]+)}') AS name) AS split);
END
$fn$;
COMMENT ON FUNCTION lifecycle._fill(text, text[], text[]) IS
'A template with {name} replaced by the filling of that name, in one pass.';

CREATE FUNCTION lifecycle._soft_delete_text(template text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- A passage may hold others: once more.
    SELECT lifecycle._fill(lifecycle._fill(template, n.names, n.passages), n.names, n.passages)
    FROM (
        SELECT array_agg(a.name) AS names,
            array_agg(coalesce(lifecycle._soft_delete_snippet(a.name), lifecycle._soft_delete_key_snippet(a.name),
                lifecycle._soft_delete_key_actions(a.name))) AS passages
        FROM unnest(ARRAY['logged', 'prove', 'flush', 'mark', 'has_refs', 'from_keys', 'popped', 'add', 'gate',
            'shared', 'stale', 'blind', 'lent', 'members', 'constraint', 'mark_children', 'clear_children', 'put_back',
            'hold', 'see_parents']) AS a (name)
    ) AS n
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_text(text) IS 'A template with the shared passages put in.';

-- pg_temp last, where it would come first unsaid: a trigger function that runs with the owner's rights must not find a
-- table of its caller's under an unqualified name.
CREATE FUNCTION lifecycle._guarded_path(path text) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN path ~ '(^|[ ,"])pg_temp($|[ ,"])' THEN path ELSE concat_ws(', ', nullif(path, ''), 'pg_temp') END
$fn$;
COMMENT ON FUNCTION lifecycle._guarded_path(text) IS 'A search_path in which temporary tables come last.';

-- By the one that stands: a function keeps its name when the table gets another.
CREATE FUNCTION lifecycle._soft_delete_sibling(target regclass, suffix text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN coalesce(
        (SELECT format('%s.%I', p.pronamespace::regnamespace, CASE WHEN suffix IN ('', '_statement') THEN p.proname
                ELSE regexp_replace(p.proname, '_row$', suffix) END)
            FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
            WHERE t.tgrelid = target AND t.tgname = CASE suffix WHEN '' THEN 'aa_soft_delete'
                WHEN '_statement' THEN 'aa_soft_delete_begin' ELSE 'zz_soft_delete_row' END),
        -- A name that had to be cut has a hash of the whole in it, so that all must come from the same.
        CASE WHEN suffix IN ('', '_statement') THEN lifecycle._soft_delete_routine(target, suffix)
            ELSE regexp_replace(lifecycle._soft_delete_routine(target, '_row'), '_row("?)$', suffix || '\1') END);
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_sibling(regclass, text) IS
'The name of a generated function of a table: trigger functions, _key, _ref and _own, whose suffix is as long as _row.';

CREATE FUNCTION lifecycle._soft_delete_body(
    template text, target regclass, deleted_at name, deletion_id name, keys lifecycle.key_column[], path text,
    is_partitioned boolean DEFAULT NULL
) RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- In a partition the trigger would report the leaf, so a partitioned table names itself.
    SELECT lifecycle._fill(
        lifecycle._soft_delete_text(template),
        ARRAY['table', 'table_literal', 'deleted_at', 'deleted_at_literal', 'deletion_id', 'same_key', 'path',
            'statement_oid', 'deletion_id_literal', 'self', 'ref', 'ref_literal', 'own', 'key_literal', 'schema',
            'name', 'oid', 'referenced'],
        ARRAY[target::text, quote_literal(target), quote_ident(deleted_at), quote_literal(deleted_at),
            quote_ident(deletion_id), lifecycle._key_where(keys, 't', 'OLD'),
            quote_literal(lifecycle._guarded_path(path)),
            format('CASE WHEN TG_NARGS > 0 THEN to_regclass(%L) ELSE TG_RELID END::bigint', target),
            quote_literal(deletion_id), quote_literal(target) || '::regclass::oid',
            lifecycle._soft_delete_sibling(target, '_ref'),
            quote_literal(lifecycle._soft_delete_sibling(target, '_ref')),
            lifecycle._soft_delete_sibling(target, '_own'),
            quote_literal(lifecycle._soft_delete_sibling(target, '_key'))]
        || CASE coalesce(is_partitioned, c.relkind = 'p')
            WHEN true THEN ARRAY[quote_literal(n.nspname), quote_literal(c.relname),
                quote_literal(target) || '::regclass::oid', 'true']
            ELSE ARRAY['TG_TABLE_SCHEMA', 'TG_TABLE_NAME', 'TG_RELID', 'EXISTS (SELECT FROM pg_trigger AS t '
                'WHERE t.tgrelid = v_table::oid AND t.tgisinternal AND t.tgconstraint <> 0 '
                'AND t.tgtype::integer & 8 = 8)']
        END)
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
    WHERE c.oid = target
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_body(
    text, regclass, name, name, lifecycle.key_column[], text, boolean
) IS
'A generated body for a table; is_partitioned: other than it is today.';
