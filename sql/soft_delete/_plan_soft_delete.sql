-- The plan in its parts. What is there already is adopted: a column, an index, a view of the right shape come back as
-- they were.
CREATE FUNCTION lifecycle._soft_delete_column_steps(target regclass, column_name name) RETURNS lifecycle.plan_step[]
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_type regtype := (SELECT a.atttypid FROM pg_attribute AS a
        WHERE a.attrelid = target AND a.attname = column_name AND NOT a.attisdropped);
    v_id_type regtype := (SELECT a.atttypid FROM pg_attribute AS a
        WHERE a.attrelid = target AND a.attname = 'deletion_id' AND NOT a.attisdropped);
    v_unfit name := (SELECT a.attname FROM pg_attribute AS a
        WHERE a.attrelid = target AND a.attname IN (column_name, 'deletion_id') AND NOT a.attisdropped
            AND (a.attnotnull OR a.attgenerated <> '' OR a.attidentity <> '') LIMIT 1);
BEGIN
    IF v_unfit IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('column %I of %s cannot mark deleted rows', v_unfit, target),
            DETAIL = 'It is NOT NULL or generated; a row is live where it IS NULL.',
            HINT = 'Pass another column_name, or change that column first.';
    END IF;
    IF v_type NOT IN ('timestamp'::regtype, 'timestamptz'::regtype) OR v_id_type <> 'bigint'::regtype THEN
        RAISE EXCEPTION USING
            ERRCODE = 'datatype_mismatch',
            MESSAGE = format('column %I of %s has another type than soft delete needs',
                CASE WHEN v_id_type <> 'bigint'::regtype THEN 'deletion_id' ELSE column_name END, target),
            DETAIL = format('%I must be timestamptz or timestamp (it is %s), and deletion_id, where it stands, bigint.',
                column_name, coalesce(v_type::text, 'not there')),
            HINT = 'Pass another column_name, or rename that column.';
    END IF;
    RETURN ARRAY[
        lifecycle._step(
            'add column', format('column %s.%I', target, column_name),
            CASE WHEN v_type IS NULL THEN format('ALTER TABLE %s ADD COLUMN %I timestamp with time zone', target,
                column_name) END,
            format('ALTER TABLE %s DROP COLUMN %I', target, column_name),
            note => CASE WHEN v_type IS NULL THEN 'no rewrite; ACCESS EXCLUSIVE for a moment'
                ELSE format('is there already (%s), with its values', v_type) END
        ),
        lifecycle._step(
            'add column', format('column %s.deletion_id', target),
            CASE WHEN v_id_type IS NULL THEN format('ALTER TABLE %s ADD COLUMN deletion_id bigint', target) END,
            format('ALTER TABLE %s DROP COLUMN deletion_id', target),
            note => CASE WHEN v_id_type IS NOT NULL THEN 'is there already'
                ELSE 'no rewrite; ACCESS EXCLUSIVE for a moment; the two columns take 16 bytes of each deleted row' END
        )
    ];
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_column_steps(regclass, name) IS 'The steps that add the two columns.';

-- One partial index on the number of the deletion: it holds deleted rows only, so ordinary writes do not touch it and
-- stay HOT; restore, purge and the count of a restore find their rows by it.
CREATE FUNCTION lifecycle._soft_delete_index_step(target regclass, index_name name) RETURNS lifecycle.plan_step
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_schema constant name := (SELECT n.nspname FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace
        WHERE c.oid = target);
    v_large constant boolean := lifecycle._is_large(target);
BEGIN
    IF EXISTS (
        SELECT FROM pg_index AS i JOIN pg_attribute AS a ON a.attrelid = i.indrelid AND a.attnum = i.indkey[0]
        WHERE i.indrelid = target AND a.attname = 'deletion_id' AND i.indisvalid
    ) THEN
        RETURN lifecycle._step('create index', format('index %I.%I', v_schema, index_name), NULL,
            note => 'an index on deletion_id stands already');
    END IF;
    RETURN lifecycle._step(
        'create index', format('index %I.%I', v_schema, index_name),
        format('CREATE INDEX %s%I ON %s (deletion_id) WHERE deletion_id IS NOT NULL',
            CASE WHEN v_large THEN 'CONCURRENTLY ' ELSE '' END, index_name, target),
        format('DROP INDEX %I.%I', v_schema, index_name),
        stage => CASE WHEN v_large THEN 2 ELSE 1 END,
        top_level => v_large,
        note => CASE WHEN v_large
            THEN 'CONCURRENTLY; everything works without it, restores and counts are slow until it stands'
            ELSE format('empty where nothing is deleted yet; ACCESS EXCLUSIVE while the table is read: %s', (
                SELECT pg_size_pretty(sum(pg_relation_size(p.member))) FROM lifecycle._tree(target) AS p)) END
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_index_step(
    regclass,
    name
) IS 'The step that makes the index on deletion_id.';

CREATE FUNCTION lifecycle._soft_delete_trigger_step(
    relation text, trigger_name name, definition text, routine text, argument text DEFAULT '',
    always boolean DEFAULT false, kind text DEFAULT ''
) RETURNS lifecycle.plan_step LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step(
        'create trigger', format('trigger %I on %s', trigger_name, relation),
        CASE WHEN t.oid IS NULL THEN
            format('CREATE %sTRIGGER %I ', kind, trigger_name) || format(definition, relation)
            || format(' EXECUTE FUNCTION %s(%s)', routine, argument)
            || CASE WHEN always THEN format('; ALTER TABLE %s ENABLE ALWAYS TRIGGER %I', relation, trigger_name)
                ELSE '' END
        END,
        format('DROP TRIGGER %I ON %s', trigger_name, relation),
        note => CASE WHEN t.oid IS NOT NULL THEN 'stands already'
            ELSE 'no rewrite; SHARE ROW EXCLUSIVE for a moment' END
    )
    FROM (VALUES (to_regclass(relation))) AS r (oid)
    LEFT JOIN pg_trigger AS t ON t.tgrelid = r.oid AND t.tgname = trigger_name
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_trigger_step(text, name, text, text, text, boolean, text) IS
'The step that makes a trigger on a relation; definition holds %s for the relation; always: also as a replica; kind:
CONSTRAINT or nothing.';

-- A function that we generated for another table lives on where that one was renamed, and is left over where it was
-- dropped. Of trigger functions the triggers tell (_soft_delete_routine), of RPCs the journal.
CREATE FUNCTION lifecycle._left_function_step(target regclass, routine regprocedure, parameters text, creation text)
RETURNS lifecycle.plan_step LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_removal text := '';
    v_other constant regclass := (
        SELECT c.oid FROM lifecycle.migration AS m
        JOIN lifecycle.migration_step AS s ON s.migration_id = m.migration_id
        JOIN pg_class AS c ON c.oid = m.target_oid AND c.oid <> _left_function_step.target
        JOIN pg_proc AS p ON p.oid = routine AND p.prorettype <> 'trigger'::regtype
            AND p.pronamespace <> to_regnamespace('lifecycle_data')
        WHERE m.feature = 'soft_delete' AND m.state <> 'rolled_back' AND m.origin = lifecycle._origin()
            AND s.action IN ('create function', 'replace function') AND (s.address).object_id = routine
        LIMIT 1);
BEGIN
    IF v_other IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_function',
            MESSAGE = format('function %s stands already, for %s', routine, v_other),
            DETAIL = 'It would go on deleting or restoring rows of that table.',
            HINT = 'Pass another rpc_name and restore_rpc_name, or rename that function.';
    END IF;
    IF pg_get_function_arguments(routine) <> parameters THEN
        v_removal := format('DROP FUNCTION %s; ', routine);
    END IF;
    RETURN lifecycle._step('replace function', 'function ' || routine,
        v_removal || CASE WHEN v_removal = '' THEN regexp_replace(creation, '^CREATE', 'CREATE OR REPLACE')
            ELSE creation END,
        v_removal || lifecycle._ddl('function ' || routine),
        note => 'generated for a table that is gone; no rewrite, no lock');
END
$fn$;
COMMENT ON FUNCTION lifecycle._left_function_step(regclass, regprocedure, text, text) IS
'The step that takes over a function generated for a table that is gone; raises 42723 when that one is still there.';

CREATE FUNCTION lifecycle._soft_delete_function_step(
    target regclass, routine text, parameters text, types text, result text, attributes text, body text, owner name
) RETURNS lifecycle.plan_step LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_identity constant text := format('%s(%s)', routine, types);
    v_creation constant text := format('CREATE FUNCTION %s(%s) RETURNS %s LANGUAGE plpgsql %sSET search_path = '
        || 'pg_catalog, pg_temp AS %L; ALTER FUNCTION %s OWNER TO %I; REVOKE ALL ON FUNCTION %6$s FROM PUBLIC',
        routine, parameters, result, attributes, body, v_identity, owner);
    v_present name;
    v_is_left boolean;
BEGIN
    SELECT pg_get_userbyid(p.proowner), p.prosrc <> body AND p.prosrc ~ '^\n-- Generated by pg_lifecycle'
        AND NOT EXISTS (SELECT FROM pg_trigger AS t WHERE t.tgrelid = target AND t.tgname = 'zz_soft_delete_row')
    INTO v_present, v_is_left
    FROM pg_proc AS p WHERE p.oid = to_regprocedure(v_identity);
    -- Whoever made it first decides what it does, with the rights of those who call it.
    IF v_present <> owner THEN
        RAISE EXCEPTION USING
            ERRCODE = 'duplicate_function',
            MESSAGE = format('function %s stands already and belongs to %I', v_identity, v_present),
            DETAIL = format('Only a function of %I, the owner of the table, would be taken over.', owner),
            HINT = 'Look at it, drop it or rename it; an RPC can have another name.';
    ELSIF v_is_left THEN
        RETURN lifecycle._left_function_step(target, to_regprocedure(v_identity), parameters, v_creation);
    END IF;
    RETURN lifecycle._step(
        'create function', 'function ' || v_identity,
        CASE WHEN v_present IS NULL THEN v_creation END,
        format('DROP FUNCTION %s', v_identity),
        note => CASE WHEN v_present IS NOT NULL THEN 'a function of that name and arguments stands already'
            ELSE 'no rewrite, no lock' END
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_function_step(regclass, text, text, text, text, text, text, name) IS
'The step that makes a generated function for the owner of the table, executable by nobody else.';

-- soft_delete_where and the functions that follow foreign keys number the rows themselves, set-based, where they run as
-- the owner of the table; nobody else is believed a number. The minus of a number is taken off in the same way.
CREATE FUNCTION lifecycle._soft_delete_row_condition(owner name, deleted_at name, deletion_id name) RETURNS text
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT format(
        '(OLD.%1$I IS DISTINCT FROM NEW.%1$I OR OLD.%2$I IS DISTINCT FROM NEW.%2$I) AND '
        '(CURRENT_USER OPERATOR(pg_catalog.=) %3$L::pg_catalog.name AND CASE WHEN (OLD.%1$I IS NULL) '
        'OPERATOR(pg_catalog.=) (NEW.%1$I IS NULL) THEN NEW.%1$I IS NULL AND NEW.%2$I IS NULL '
        'AND OLD.%2$I OPERATOR(pg_catalog.<) 0 ELSE NEW.%2$I::pg_catalog.text OPERATOR(pg_catalog.=) '
        'pg_catalog.current_setting(''lifecycle.number'', true) END) IS NOT TRUE', deleted_at, deletion_id, owner)
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_row_condition(name, name, name) IS
'When the row trigger of a soft-deleted table has something to do.';

-- The names begin with aa and zz because triggers fire in the order of their names: ours decides first whether a
-- DELETE is one, and last what an UPDATE has become. An ordinary UPDATE does not name the columns and pays for neither
-- statement trigger: a WHEN clause would have to be prepared each time, which costs more than a call.
CREATE FUNCTION lifecycle._soft_delete_triggers(
    target regclass, deleted_at name, deletion_id name, is_partitioned boolean,
    OUT name text, OUT definition text, OUT suffix text
) RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT t.name, t.event || ' ON %s FOR EACH ' || t.level || coalesce(' WHEN (' || replace(t.condition, '%', '%%')
        || ')', ''), t.suffix
    FROM pg_class AS c
    CROSS JOIN LATERAL (VALUES (
        replace(format('UPDATE OF %I, %I', deleted_at, deletion_id), '%', '%%'),
        format('pg_catalog.current_setting(''lifecycle.soft_delete'', true) OPERATOR(pg_catalog.=) %L', target)
    )) AS v (marking, asked)
    CROSS JOIN LATERAL (VALUES
        (1, 'aa_soft_delete', 'BEFORE DELETE', 'ROW', v.asked, ''),
        (2, 'aa_soft_delete_open', 'BEFORE DELETE', 'STATEMENT', v.asked, '_statement'),
        (3, 'zz_soft_delete_close', 'AFTER DELETE', 'STATEMENT', v.asked, '_statement'),
        (4, 'aa_soft_delete_begin', 'BEFORE ' || v.marking, 'STATEMENT', NULL, '_statement'),
        (5, 'zz_soft_delete_end', 'AFTER ' || v.marking, 'STATEMENT', NULL, '_statement'),
        (6, 'zz_soft_delete_row', 'BEFORE ' || v.marking, 'ROW',
            lifecycle._soft_delete_row_condition(pg_get_userbyid(c.relowner), deleted_at, deletion_id), '_row'),
        -- A statement that names a partition fires no statement trigger of the table.
        (7, 'zz_soft_delete_alone', 'AFTER ' || v.marking, 'ROW', format(
            'NEW.%I::pg_catalog.text OPERATOR(pg_catalog.=) pg_catalog.current_setting(''lifecycle.alone'', true)',
            deletion_id), '_statement'),
        -- A trigger of the user's has marked or restored a row in an UPDATE that did not name the column.
        (8, 'zz_soft_delete_unasked', 'BEFORE UPDATE', 'ROW', format(
            'OLD.%1$I IS DISTINCT FROM NEW.%1$I AND OLD.%2$I IS NOT DISTINCT FROM NEW.%2$I', deleted_at, deletion_id),
            '_row')
    ) AS t (place, name, event, level, condition, suffix)
    WHERE c.oid = target AND (is_partitioned OR t.name <> 'zz_soft_delete_alone')
    ORDER BY t.place
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_triggers(regclass, name, name, boolean) IS
'The triggers of a soft-deleted table: definition holds %s for the table, suffix says which generated function.';

CREATE FUNCTION lifecycle._soft_delete_functions(
    follow_foreign_keys boolean,
    OUT suffix text, OUT template text, OUT parameters text, OUT types text, OUT result text, OUT attributes text
) RETURNS SETOF record LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    VALUES
    ('', lifecycle._soft_delete_delete_template(), '', '', 'trigger', 'SECURITY DEFINER '),
    ('_row', lifecycle._soft_delete_row_template(), '', '', 'trigger', 'SECURITY DEFINER '),
    ('_statement', lifecycle._soft_delete_statement_template(), '', '', 'trigger', 'SECURITY DEFINER '),
    ('_key', lifecycle._soft_delete_key_template(),
        'action text, foreign_key oid, number bigint, keys jsonb, seen oid[]', 'text, oid, bigint, jsonb, oid[]',
        'jsonb', 'SECURITY DEFINER '),
    ('_own', lifecycle._soft_delete_own_template(), 'number bigint, seen oid[]', 'bigint, oid[]', 'void', '')
    UNION ALL
    SELECT '_ref', lifecycle._soft_delete_ref_template(), 'action text, number bigint, seen oid[]',
        'text, bigint, oid[]', 'jsonb', ''
    WHERE follow_foreign_keys
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_functions(boolean) IS
'The generated functions of a soft-deleted table, but for those of its view and its RPCs.';

-- For the plan: what a deletion will do, by the foreign keys as they are now.
CREATE FUNCTION lifecycle._followed_foreign_keys(target regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT string_agg(format('%I of %s: %s', k.conname, k.conrelid::regclass, CASE
        WHEN k.confdeltype = 'c' AND t.oid IS NOT NULL OR k.conrelid = target AND k.confdeltype = 'c'
            THEN 'marked together'
        WHEN k.confdeltype = 'c' THEN 'refused, its rows cannot be marked yet'
        WHEN k.confdeltype = 'n' THEN 'set null, recorded'
        WHEN k.confdeltype = 'd' THEN 'set default, recorded'
        ELSE 'refused' END), '; ' ORDER BY k.conrelid::regclass::text, k.conname)
    FROM pg_constraint AS k
    LEFT JOIN pg_trigger AS t ON t.tgrelid = k.conrelid AND t.tgname = 'zz_soft_delete_row'
    WHERE k.confrelid = target AND k.contype = 'f' AND k.conparentid = 0
$fn$;
COMMENT ON FUNCTION lifecycle._followed_foreign_keys(regclass) IS
'What a soft delete does to rows that refer to the deleted ones, foreign key by foreign key.';

-- The owners of the tables on the other side of its foreign keys, where they are others.
CREATE FUNCTION lifecycle._neighbour_owners(target regclass) RETURNS SETOF name
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT DISTINCT pg_get_userbyid(c.relowner)
    FROM pg_constraint AS k
    JOIN pg_class AS t ON t.oid = target
    JOIN pg_class AS c ON c.oid IN (k.conrelid, k.confrelid) AND c.relowner <> t.relowner
    WHERE k.contype = 'f' AND k.conparentid = 0 AND target IN (k.conrelid, k.confrelid)
        AND NOT (SELECT r.rolsuper FROM pg_roles AS r WHERE r.oid = c.relowner)
    ORDER BY 1
$fn$;
COMMENT ON FUNCTION lifecycle._neighbour_owners(regclass) IS
'The owners of the tables that foreign keys lead to or from, where they are others than that of the table.';

CREATE FUNCTION lifecycle._soft_delete_trigger_steps(
    target regclass, deleted_at name, deletion_id name, keys lifecycle.key_column[], follow_foreign_keys boolean,
    path text
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_owner constant name := (SELECT pg_get_userbyid(c.relowner) FROM pg_class AS c WHERE c.oid = target);
    v_steps lifecycle.plan_step[] := '{}';
    v_step lifecycle.plan_step;
    v_function record;
BEGIN
    FOR v_function IN SELECT f.*, lifecycle._soft_delete_sibling(target, f.suffix) AS routine
        FROM lifecycle._soft_delete_functions(follow_foreign_keys) AS f
    LOOP
        v_step := lifecycle._soft_delete_function_step(target, v_function.routine, v_function.parameters,
            v_function.types, v_function.result, v_function.attributes,
            lifecycle._soft_delete_body(v_function.template, target, deleted_at, deletion_id, keys, path), v_owner);
        IF v_function.suffix = '_key' AND v_step.statement IS NOT NULL THEN
            v_step.statement := v_step.statement || coalesce((
                SELECT string_agg(format('; GRANT EXECUTE ON FUNCTION %s(%s) TO %I', v_function.routine,
                    v_function.types, g), '') FROM lifecycle._neighbour_owners(target) AS g), '');
        ELSIF v_function.suffix = '_ref' AND v_step.statement IS NOT NULL THEN
            v_step.note := 'follows foreign keys: '
                || coalesce(lifecycle._followed_foreign_keys(target), 'none refers to the table today');
        END IF;
        v_steps := v_steps || v_step;
    END LOOP;
    RETURN v_steps || ARRAY(
        -- ENABLE ALWAYS: a replica role must not turn a soft delete into a real one.
        SELECT lifecycle._soft_delete_trigger_step(target::text, t.name, t.definition,
            lifecycle._soft_delete_sibling(target, t.suffix), '', true)
        FROM lifecycle._soft_delete_triggers(target, deleted_at, deletion_id,
            (SELECT c.relkind = 'p' FROM pg_class AS c WHERE c.oid = target)) AS t
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle._soft_delete_trigger_steps(
    regclass, name, name, lifecycle.key_column[], boolean, text
) IS 'The steps that make the generated functions of a table and its triggers.';

-- Between a rename and the sync, functions write to whatever has the old name.
CREATE FUNCTION lifecycle._require_synced_namesake(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_other constant regclass := (
        SELECT t.tgrelid FROM pg_trigger AS t JOIN pg_proc AS p ON p.oid = t.tgfoid
        WHERE t.tgname = 'aa_soft_delete' AND t.tgparentid = 0 AND t.tgrelid <> target
            AND p.pronamespace = to_regnamespace('lifecycle_data')
            AND strpos(p.prosrc, quote_literal(target)) > 0
        LIMIT 1);
BEGIN
    IF v_other IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('soft delete of %s would write to %s', v_other, target),
            DETAIL = 'Its functions were generated when it had that name.',
            HINT = format('SELECT * FROM lifecycle.sync_active_view(%L) first.', v_other);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_synced_namesake(regclass) IS
'Raises 55000 when another soft-deleted table had the name of this one and was not synced since.';

CREATE FUNCTION lifecycle._plan_soft_delete(
    target regclass, column_name name, view_name name, rpc_name name, restore_rpc_name name, rpc_argument name,
    follow_foreign_keys boolean, live_keys text[], live_keys_as text, live_foreign_keys text[], intercept boolean,
    index_mode text, path text
) RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_keys constant lifecycle.key_column[] := lifecycle._key_columns(target);
    v_live_keys constant lifecycle.plan_step[] := lifecycle._live_key_steps(target, column_name, live_keys,
        live_keys_as);
    v_schema name;
    v_table name;
    v_index name;
    v_plan lifecycle.plan_step[];
BEGIN
    SELECT n.nspname, c.relname INTO v_schema, v_table
    FROM pg_class AS c JOIN pg_namespace AS n ON n.oid = c.relnamespace WHERE c.oid = target;
    PERFORM lifecycle._require_synced_namesake(target);
    v_index := lifecycle._name(ARRAY[v_table::text], 'deletion_id_idx');
    IF NOT EXISTS (SELECT FROM pg_index AS i WHERE i.indrelid = target
        AND i.indexrelid = to_regclass(format('%I.%I', v_schema, v_index)))
    THEN
        v_index := lifecycle._free_name(v_schema, ARRAY[v_table::text], 'deletion_id_idx');
    END IF;
    v_plan := lifecycle._data_schema_steps()
        || lifecycle._soft_delete_column_steps(target, column_name)
        || CASE WHEN index_mode = 'none' THEN '{}' ELSE ARRAY[lifecycle._soft_delete_index_step(target,
            v_index)] END
        || lifecycle._index_mode_steps(target, column_name, index_mode)
        || v_live_keys
        || lifecycle._soft_delete_trigger_steps(target, column_name, 'deletion_id', v_keys, follow_foreign_keys,
            path)
        || lifecycle._soft_delete_view_steps(target,
            format('%I.%I', v_schema, coalesce(view_name, lifecycle._name(ARRAY['active', v_table::text]))),
                column_name, v_keys, path, lifecycle._live_columns_added(v_live_keys))
        || CASE WHEN intercept THEN lifecycle._intercept_steps(target, column_name, path) ELSE '{}' END
        || lifecycle._live_foreign_key_steps(target, column_name, live_foreign_keys);
    IF rpc_name <> '' IS NOT FALSE THEN
        v_plan := v_plan || lifecycle._soft_delete_rpc_step(target, lifecycle._soft_delete_rpc_template(), column_name,
            format('%I.%I', v_schema, coalesce(rpc_name, lifecycle._name(ARRAY['soft_delete', v_table::text]))),
            rpc_argument, v_keys, path);
    END IF;
    IF restore_rpc_name <> '' IS NOT FALSE THEN
        v_plan := v_plan || lifecycle._soft_delete_rpc_step(target, lifecycle._restore_rpc_template(), column_name,
            format('%I.%I', v_schema, coalesce(restore_rpc_name, lifecycle._name(ARRAY['restore', v_table::text]))),
            rpc_argument, v_keys, path);
    END IF;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_soft_delete(
    regclass, name, name, name, name, name, boolean, text[], text, text[], boolean, text, text
) IS 'The plan of enable_soft_delete.';
