CREATE FUNCTION lifecycle._require_conversion_modes(key_mode text, foreign_key_mode text) RETURNS void
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    IF key_mode IS NULL OR key_mode NOT IN ('refuse', 'extend', 'leaf') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('key_mode must be refuse, extend or leaf, not %L', key_mode);
    ELSIF foreign_key_mode IS NULL OR foreign_key_mode NOT IN ('refuse', 'composite', 'drop') THEN
        RAISE EXCEPTION USING ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('foreign_key_mode must be refuse, composite or drop, not %L', foreign_key_mode);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_conversion_modes(text, text) IS 'Raises 22023 for unknown modes.';

CREATE FUNCTION lifecycle.pre_migration_check(
    target regclass, levels jsonb, key_mode text DEFAULT 'refuse', foreign_key_mode text DEFAULT 'refuse'
) RETURNS SETOF lifecycle.finding LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_levels constant jsonb[] := lifecycle._levels(levels);
    v_blocked boolean;
BEGIN
    IF NOT EXISTS (SELECT FROM pg_class AS c WHERE c.oid = target) THEN
        PERFORM lifecycle._require_table(target);
    END IF;
    PERFORM lifecycle._require_conversion_modes(key_mode, foreign_key_mode);
    RETURN QUERY SELECT k.* FROM lifecycle._check_conversion_kind(target) AS k;
    -- Of what is no table of the caller's the other questions make no sense.
    v_blocked := EXISTS (SELECT FROM lifecycle._check_conversion_kind(target) AS k WHERE k.severity = 'error'
        AND k.finding NOT IN ('is unlogged', 'is a typed table'));
    IF v_blocked THEN
        RETURN;
    END IF;
    PERFORM lifecycle._require_levels(target, v_levels);
    RETURN QUERY
    SELECT f.* FROM (
        SELECT c.* FROM lifecycle._check_conversion_identity(target) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_columns(target, v_levels, key_mode) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_unique(target, v_levels, key_mode) AS c
        UNION ALL
        SELECT c.* FROM lifecycle._check_conversion_incoming(target, v_levels, key_mode, foreign_key_mode) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_constraints(target) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_triggers(target) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_replication(target) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_storage(target) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_bindings(target) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_leaves(target, v_levels) AS c
        UNION ALL
        SELECT c.* FROM lifecycle._check_carry_soft_delete(target, lifecycle._missing_keys(target, (
            SELECT i.indkey[:i.indnkeyatts - 1]::smallint[] FROM pg_index AS i
            WHERE i.indrelid = target AND i.indisprimary), v_levels), key_mode) AS c
        UNION ALL SELECT c.* FROM lifecycle._check_conversion_activity(target) AS c
        UNION ALL
        SELECT 'error', u.* FROM lifecycle._unsupported_conversion(target, v_levels, key_mode) AS u
    ) AS f
    ORDER BY array_position('{error,warning,info,ok}', f.severity), f.object, f.finding;
END
$fn$;
COMMENT ON FUNCTION lifecycle.pre_migration_check(regclass, jsonb, text, text) IS
'What stands in the way of converting a table into a partitioned one, what changes for its users, and what is kept.
start_conversion refuses by the same rows. Reads the table to count partitions, and NULLs where a key may be NULL.

Arguments: target - the table; levels - from the top, as lifecycle.by_list || by_range || by_hash write them; key_mode -
what becomes of unique constraints without the partition keys: refuse, extend (unique together with the keys) or leaf
(unique within each partition); foreign_key_mode - what becomes of foreign keys that refer to such a constraint: refuse,
composite (widened, where the referring table has the columns) or drop.
Returns: one row a finding (lifecycle.finding): severity (error: the conversion is refused; warning: a decision; info: a
figure; ok: is kept), object, finding, detail, remedy (a statement, or what to pass).
Errors: 42P01 no such table; 22023 levels or modes; 42703 no such column.
Example: SELECT * FROM lifecycle.pre_migration_check(''public.observation'',
    lifecycle.by_list(''program_id'') || lifecycle.by_range(''created_at'', ''1 month''), key_mode => ''extend'')
WHERE severity <> ''ok'';';
