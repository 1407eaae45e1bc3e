-- What soft delete cannot be right on is refused before anything is planned.
CREATE FUNCTION lifecycle._require_soft_deletable(target regclass) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_parent regclass := (SELECT i.inhparent FROM pg_inherits AS i WHERE i.inhrelid = target LIMIT 1);
    v_child regclass := (SELECT i.inhrelid FROM pg_inherits AS i JOIN pg_class AS c ON c.oid = i.inhparent
        WHERE i.inhparent = target AND c.relkind = 'r' LIMIT 1);
BEGIN
    IF v_parent IS NOT NULL OR v_child IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('soft delete cannot be enabled on %s', target),
            DETAIL = CASE WHEN v_child IS NOT NULL THEN format('%s inherits from it.', v_child)
                ELSE format('It is a partition or an inheritance child of %s.', v_parent) END,
            HINT = CASE WHEN (SELECT c.relkind FROM pg_class AS c WHERE c.oid = v_parent) = 'p'
                THEN format('SELECT * FROM lifecycle.enable_soft_delete(%L)', v_parent)
                ELSE 'Tables with inheritance children cannot be soft-deleted; partitioned tables can.' END;
    END IF;
    IF cardinality(lifecycle._key_columns(target)) IS DISTINCT FROM
        (SELECT i.indnkeyatts::integer FROM pg_index AS i WHERE i.indrelid = target AND i.indisprimary)
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s has no primary key', target),
            DETAIL = 'A soft delete names the row it deletes; a key WITHOUT OVERLAPS does not.',
            HINT = format('ALTER TABLE %s ADD PRIMARY KEY (...)', target);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_soft_deletable(regclass) IS
'Raises 42809 for partitions and inheritance, 55000 for a table without primary key.';

CREATE FUNCTION lifecycle._require_names(
    column_name name, view_name name, rpc_name name, restore_rpc_name name, rpc_argument name
) RETURNS void LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_missing constant text := CASE '' WHEN coalesce(column_name, '') THEN 'column_name' WHEN view_name THEN 'view_name'
        WHEN rpc_argument THEN 'rpc_argument' END;
BEGIN
    IF v_missing IS NOT NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value', MESSAGE = format('%s must not be empty', v_missing),
            HINT = 'Leave it out to have the usual name. Empty rpc_name and restore_rpc_name mean no such function.';
    END IF;
    PERFORM lifecycle._require_local_name('view_name', view_name),
        lifecycle._require_local_name('rpc_name', nullif(rpc_name, '')),
        lifecycle._require_local_name('restore_rpc_name', nullif(restore_rpc_name, ''));
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_names(name, name, name, name, name) IS
'Raises 22023 for an empty name where one is needed, 42602 for one that begins with a schema.';

CREATE FUNCTION lifecycle._require_same_column(target regclass, column_name name) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_column name;
BEGIN
    IF lifecycle._has_soft_delete(target) THEN
        v_column := (lifecycle._soft_delete_columns(target)).deleted_at;
    END IF;
    IF v_column <> column_name THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('soft delete is enabled on %s with column %I, not %I', target, v_column, column_name),
            HINT = format('Pass column_name => %L, or roll back first.', v_column);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_same_column(regclass, name) IS
'Raises 55000 when the table is soft-deleted already by another column.';

CREATE FUNCTION lifecycle.enable_soft_delete(
    target regclass,
    column_name name DEFAULT 'deleted_at',
    view_name name DEFAULT NULL,
    rpc_name name DEFAULT NULL,
    restore_rpc_name name DEFAULT NULL,
    rpc_argument name DEFAULT NULL,
    follow_foreign_keys boolean DEFAULT true,
    live_keys text[] DEFAULT '{}',
    live_keys_as text DEFAULT 'index',
    live_foreign_keys text[] DEFAULT '{}',
    intercept boolean DEFAULT false,
    index_mode text DEFAULT 'deletion',
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    PERFORM lifecycle._require_table(target);
    PERFORM lifecycle._require_owner(target);
    PERFORM lifecycle._require_names(column_name, view_name, rpc_name, restore_rpc_name, rpc_argument);
    PERFORM lifecycle._lock(ARRAY[target], 'ACCESS EXCLUSIVE', dry_run,
        lifecycle._live_foreign_key_neighbours(target, live_foreign_keys));
    PERFORM lifecycle._require_soft_deletable(target);
    PERFORM lifecycle._require_same_column(target, column_name);
    RETURN QUERY SELECT * FROM lifecycle._apply(
        'soft_delete', target,
        lifecycle._plan_soft_delete(target, column_name, view_name, rpc_name, restore_rpc_name, rpc_argument,
            follow_foreign_keys, live_keys, live_keys_as, live_foreign_keys, intercept, index_mode,
            enable_soft_delete.search_path),
        dry_run, expected_plan,
        jsonb_build_object('column_name', column_name, 'view_name', view_name, 'rpc_name', rpc_name,
            'follow_foreign_keys', follow_foreign_keys, 'live_keys', live_keys, 'live_keys_as', live_keys_as,
            'live_foreign_keys', live_foreign_keys, 'intercept', intercept, 'index_mode', index_mode),
        enable_soft_delete.search_path
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle.enable_soft_delete(
    regclass, name, name, name, name, name,
    boolean, text[], text, text[], boolean, text,
    boolean, text, text
) IS
'Lets rows of a table be marked as deleted instead of being deleted: adds deleted_at and deletion_id, the view
active_<table> (DELETE on it marks rows, with right counts and RETURNING), soft_delete_<table>(key) and
restore_<table>(key) for PostgREST, and a record of each deletion in lifecycle.deletion. A column, index or view of
that shape is taken over.

Arguments: target - a table with a primary key, or a partitioned one; column_name - the column that marks deleted
rows, timestamptz, or an existing one of type timestamptz or timestamp; view_name, rpc_name, restore_rpc_name - other
names, in the schema of the table, '''' for no function; rpc_argument - the name of the argument of a key of one
column; follow_foreign_keys - whether marking a row does what a DELETE of it would do to rows that refer to it, default
true; live_keys - names of unique constraints and indexes that are to count live rows only, ''{*}'' for all that can;
live_keys_as - index (WHERE deleted_at IS NULL) or column (generated, rewrites the table; upserts need no condition);
live_foreign_keys - names of foreign keys from or to the table by which no live row may refer to a deleted one, ''{*}''
for all that lead to a soft-deleted table; intercept - whether a DELETE on the table marks its rows too; index_mode -
deletion (one index on the deleted rows), live (the ordinary indexes hold live rows only, too), none; dry_run - only
show the plan; expected_plan - plan_hash of the reviewed dry run; search_path - what triggers of the table see when rows
are marked through the view or the functions.
Returns: one row a step (lifecycle.step_result).
Errors: 42809 not such a table; 42501 not its owner, or no administrator; 42804 the column has another type; 42P07
another view of that name; 42701 another column of that name; 42704 no such key; 0A000 interception of a partitioned
table; 22023 no such choice, an empty name; 42723 a function of that name is another owner''s, or the RPC of another
table; 55000 no primary key, a key that cannot be live, another table had this name and was not synced since, or the
plan differs from expected_plan; 55P03 lock.
Example: SELECT * FROM lifecycle.enable_soft_delete(''public.packages'', rpc_argument => ''package_id'', dry_run =>
true);';
