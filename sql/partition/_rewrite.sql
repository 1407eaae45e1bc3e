-- A rewrite replaces partitions by others that hold the same rows: a split, a merge, a default partition that is
-- drained. The new ones stand under a staging table of the same key until they hold all rows; then they change places
-- with the old ones in one short transaction. The row here says how far it is.
CREATE FUNCTION lifecycle._rewrites(target regclass DEFAULT NULL) RETURNS SETOF lifecycle.partition_rewrite
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT r.* FROM lifecycle.partition_rewrite AS r
    JOIN pg_class AS c ON c.oid = CASE WHEN r.origin = lifecycle._origin() THEN r.parent_oid
        ELSE lifecycle._named_relation(r.parent) END
    WHERE pg_has_role(current_user, c.relowner, 'USAGE')
        -- A row binds only where its writer owns whatever it names: it would be read, written or emptied.
        AND lifecycle._owns_all(r.started_by, c.oid || ARRAY(
            SELECT to_regclass(n)::oid FROM unnest(r.staging || r.sources || r.queues) AS n))
        AND (target IS NULL OR target::oid IN (c.oid, to_regclass(r.sources[1])::oid))
    -- One that cannot go on, for what it replaces has been dropped, does not stop the others.
    ORDER BY EXISTS (SELECT FROM unnest(r.sources) AS s WHERE to_regclass(s) IS NULL), r.started_at
$fn$;
COMMENT ON FUNCTION lifecycle._rewrites(regclass) IS
'The rewrites under way that the caller may carry on: all, those of a table, or the one of a partition.';

CREATE FUNCTION lifecycle._rewrite_migration(rewrite lifecycle.partition_rewrite) RETURNS bigint
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT max(s.migration_id) FROM lifecycle.migration_step AS s
    WHERE s.action = 'copy rows' AND s.object = 'passing rows of ' || rewrite.staging AND s.status <> 'rolled_back'
        -- A step may name whatever its writer likes.
        AND s.applied_by = rewrite.started_by
$fn$;
COMMENT ON FUNCTION lifecycle._rewrite_migration(lifecycle.partition_rewrite) IS
'The journaled migration that began a rewrite.';

-- The bounds, written as a constraint of the table itself: ATTACH believes it and does not read the rows.
CREATE FUNCTION lifecycle._add_bounds_check(partition regclass, constraint_name name, parent regclass) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    EXECUTE format('ALTER TABLE %s ADD CONSTRAINT %I CHECK (%s)', partition, constraint_name,
        concat_ws(' AND ', pg_get_partition_constraintdef(partition), pg_get_partition_constraintdef(parent)));
END
$fn$;
COMMENT ON FUNCTION lifecycle._add_bounds_check(regclass, name, regclass) IS
'Gives an empty partition its bounds, and those of the table it will belong to, as a CHECK constraint.';

-- Word by word what PostgreSQL asks of a default partition beside these ranges: it compares expressions, it does not
-- think.
CREATE FUNCTION lifecycle._default_check(parent regclass, key lifecycle.range_key, ranges lifecycle.range_ends[])
RETURNS text LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH part AS (
        SELECT p.lower_place, p.upper_place, quote_literal(p.lower_bound) AS lower_literal,
            quote_literal(p.upper_bound) AS upper_literal
        FROM lifecycle._range_partitions(ARRAY[parent::oid]) AS p WHERE NOT p.is_default
        UNION ALL
        SELECT (r.lower_end).place, (r.upper_end).place, (r.lower_end).literal, (r.upper_end).literal
        FROM unnest(ranges) AS r
    )
    SELECT format('NOT (%1$I IS NOT NULL AND (%2$s))', key.column_name, string_agg('(' || concat_ws(' AND ',
            CASE WHEN p.lower_place > '-Infinity' THEN format('%I >= %s::%s', key.column_name, p.lower_literal,
                key.type) END,
            CASE WHEN p.upper_place < 'Infinity' THEN format('%I < %s::%s', key.column_name, p.upper_literal,
                key.type) END) || ')', ' OR ' ORDER BY p.lower_place))
    FROM part AS p
$fn$;
COMMENT ON FUNCTION lifecycle._default_check(regclass, lifecycle.range_key, lifecycle.range_ends[]) IS
'The condition that a row belongs to none of the partitions of a table, nor to these ranges.';

CREATE FUNCTION lifecycle._rewrite_neighbours(parent regclass) RETURNS regclass[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT DISTINCT CASE WHEN k.conrelid IN (SELECT a.relid FROM pg_partition_ancestors(parent) AS a)
            THEN k.confrelid ELSE k.conrelid END::regclass
        FROM pg_constraint AS k
        WHERE k.contype = 'f' AND k.conrelid <> k.confrelid AND k.conparentid = 0
            AND (k.conrelid IN (SELECT a.relid FROM pg_partition_ancestors(parent) AS a)
                OR k.confrelid IN (SELECT a.relid FROM pg_partition_ancestors(parent) AS a))
    )
$fn$;
COMMENT ON FUNCTION lifecycle._rewrite_neighbours(regclass) IS
'The tables at the other end of the foreign keys of a table and of those above it.';

-- To plan, and to make tables that nobody sees yet, it is enough that nobody else changes these. The exchange locks
-- everything at its final strength, in one go.
CREATE FUNCTION lifecycle._lock_rewrite(
    parent regclass, sources regclass[], is_exchange boolean, once boolean, dry_run boolean
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_default constant oid := (SELECT p.partdefid FROM pg_partitioned_table AS p WHERE p.partrelid = parent);
    v_others constant regclass[] := CASE WHEN is_exchange THEN lifecycle._rewrite_neighbours(parent) ELSE '{}' END;
    v_own regclass[] := parent || sources;
    v_modes text[];
    v_patience constant text := lifecycle._share_patience(CASE WHEN is_exchange THEN 'ACCESS EXCLUSIVE' END);
BEGIN
    IF is_exchange AND v_default <> 0 AND v_default <> ALL (sources::oid[]) THEN
        v_own := v_own || v_default::regclass;
    END IF;
    v_modes := array_fill(CASE WHEN is_exchange THEN 'ACCESS EXCLUSIVE' ELSE 'SHARE UPDATE EXCLUSIVE' END,
            ARRAY[cardinality(v_own)]) || array_fill('SHARE ROW EXCLUSIVE'::text, ARRAY[cardinality(v_others)]);
    IF once THEN
        PERFORM lifecycle._lock_once(v_own || v_others, v_modes,
            array_fill(true, ARRAY[cardinality(v_own)]) || array_fill(false, ARRAY[cardinality(v_others)]));
    ELSE
        PERFORM lifecycle._lock_all(parent, v_own || v_others, v_modes,
            array_fill(true, ARRAY[cardinality(v_own)]) || array_fill(false, ARRAY[cardinality(v_others)]), dry_run);
    END IF;
    PERFORM set_config('lifecycle.lock_timeout', v_patience, true);
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_rewrite(regclass, regclass[], boolean, boolean, boolean) IS
'Takes the locks of a rewrite: to begin one, or to exchange its partitions. once: one try, for a step that is tried
again.';

-- Writers of a partition wait while its triggers are made, and behind this lock. Of several partitions the table above
-- comes first: who writes through it holds it, so that behind its lock they are free.
CREATE FUNCTION lifecycle._lock_capture(staging text) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_relations regclass[];
    v_patience constant text := lifecycle._share_patience('ACCESS EXCLUSIVE');
BEGIN
    SELECT CASE WHEN cardinality(r.sources) > 1 THEN ARRAY[r.parent]::regclass[] ELSE '{}' END || r.sources::regclass[]
    INTO v_relations
    FROM lifecycle.partition_rewrite AS r WHERE r.staging = _lock_capture.staging;
    PERFORM lifecycle._lock_once(v_relations, array_fill('SHARE ROW EXCLUSIVE'::text, ARRAY[cardinality(v_relations)]),
        array_fill(true, ARRAY[cardinality(v_relations)]));
    PERFORM set_config('lifecycle.lock_timeout', v_patience, true);
END
$fn$;
COMMENT ON FUNCTION lifecycle._lock_capture(text) IS
'Locks the partitions of a rewrite against writers, in one try, for their triggers; raises 55P03.';
