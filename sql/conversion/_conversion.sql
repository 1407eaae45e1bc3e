-- A conversion is found by either of its tables, whatever they are called by now.
CREATE FUNCTION lifecycle._conversions() RETURNS SETOF lifecycle.located_conversion
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    RETURN QUERY
    SELECT c, t.source::regclass, t.partitioned::regclass
    FROM lifecycle.conversion AS c
    -- By the index of pg_class, however many conversions have been.
    CROSS JOIN LATERAL (
        SELECT
            (SELECT s.oid FROM pg_class AS s
                WHERE s.oid = CASE WHEN c.origin = lifecycle._origin() THEN c.source_oid
                    WHEN c.phase = 'swapped' THEN to_regclass(format('%s.%I',
                        quote_ident((parse_ident(c.source))[1]), c.old_name))
                    ELSE to_regclass(c.source) END) AS source,
            (SELECT p.oid FROM pg_class AS p
                WHERE p.oid = CASE WHEN c.origin = lifecycle._origin() THEN c.partitioned_oid
                    ELSE to_regclass(CASE WHEN c.phase = 'swapped' THEN c.source ELSE c.partitioned END) END)
                AS partitioned
        -- For each row once.
        OFFSET 0
    ) AS t
    -- A row binds only where its writer owns both tables.
    WHERE c.ended_at IS NOT NULL OR lifecycle._owns_all(c.started_by, ARRAY[t.source, t.partitioned]);
END
$fn$;
COMMENT ON FUNCTION lifecycle._conversions() IS 'All conversions with their tables as they are found today.';

CREATE FUNCTION lifecycle._conversion(target regclass) RETURNS lifecycle.located_conversion
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_found lifecycle.located_conversion;
BEGIN
    SELECT c.conversion, c.source, c.partitioned INTO v_found FROM lifecycle._conversions() AS c
    WHERE target IN (c.source, c.partitioned) AND (c.conversion).ended_at IS NULL;
    IF NOT FOUND THEN
        PERFORM lifecycle._require_table(target);
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s is not being converted', target),
            HINT = format('SELECT * FROM lifecycle.start_conversion(%L, ...) begins; '
                'lifecycle.monitor_migration() lists what is under way.', target);
    END IF;
    RETURN v_found;
END
$fn$;
COMMENT ON FUNCTION lifecycle._conversion(regclass) IS
'The conversion of a table that is under way; raises 55000 when there is none.';

-- Every batch asks for the row, so that a second runner is turned away, and reads it anew.
CREATE FUNCTION lifecycle._fence_conversion(target regclass) RETURNS lifecycle.located_conversion
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_found lifecycle.located_conversion := lifecycle._conversion(target);
BEGIN
    PERFORM lifecycle._require_read_committed();
    PERFORM lifecycle._require_admin();
    PERFORM lifecycle._require_owner(target);
    BEGIN
        PERFORM FROM lifecycle.conversion AS c
        WHERE c.conversion_id = (v_found.conversion).conversion_id
        FOR UPDATE NOWAIT;
    EXCEPTION WHEN lock_not_available THEN
        RAISE EXCEPTION USING
            ERRCODE = 'lock_not_available',
            MESSAGE = format('another session is at the conversion of %s', target),
            HINT = 'One at a time; lifecycle.monitor_migration() shows how far it is.';
    END;
    RETURN lifecycle._conversion(target);
END
$fn$;
COMMENT ON FUNCTION lifecycle._fence_conversion(regclass) IS
'Locks the row of a conversion until the end of the transaction and returns it; raises 55P03 when another session has
it.';

-- What must not change between start and swap. A jsonb, so that the error can say what did.
CREATE FUNCTION lifecycle._conversion_fingerprint(source regclass, partitioned regclass) RETURNS jsonb
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT jsonb_build_object(
        'columns', (SELECT md5(string_agg(concat_ws(' ', a.attrelid, a.attnum, a.attname, a.atttypid, a.atttypmod,
                a.attnotnull, a.attidentity, a.attgenerated, a.attcollation,
                -- The new table gets its rights at the end.
                CASE WHEN a.attrelid = source THEN a.attacl END,
                pg_get_expr(d.adbin, d.adrelid)), E'\n' ORDER BY a.attrelid, a.attnum))
            FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
            WHERE a.attrelid IN (source, partitioned) AND a.attnum > 0 AND NOT a.attisdropped),
        'constraints', (SELECT md5(string_agg(concat_ws(' ', k.oid, k.conname, k.convalidated,
                pg_get_constraintdef(k.oid)), E'\n' ORDER BY k.oid))
            FROM pg_constraint AS k WHERE source IN (k.conrelid, k.confrelid)),
        'indexes', (SELECT md5(string_agg(pg_get_indexdef(i.indexrelid), E'\n' ORDER BY i.indexrelid))
            FROM pg_index AS i WHERE i.indrelid = source),
        'policies', (SELECT md5(string_agg(lifecycle._ddl_policy(p.oid), E'\n' ORDER BY p.oid))
            FROM pg_policy AS p WHERE p.polrelid = source),
        'triggers', (SELECT md5(string_agg(pg_get_triggerdef(t.oid) || t.tgenabled::text, E'\n' ORDER BY t.oid))
            FROM pg_trigger AS t JOIN pg_proc AS f ON f.oid = t.tgfoid
            WHERE t.tgrelid = source AND NOT t.tgisinternal
                AND f.pronamespace IS DISTINCT FROM to_regnamespace('lifecycle_data')),
        'owner, privileges, row security', (SELECT concat_ws(' ', c.relowner, c.relacl, c.relrowsecurity,
                c.relforcerowsecurity, c.relname, c.relpersistence) FROM pg_class AS c WHERE c.oid = source)
    )
$fn$;
COMMENT ON FUNCTION lifecycle._conversion_fingerprint(regclass, regclass) IS
'What a conversion was begun with, part by part.';

CREATE FUNCTION lifecycle._require_same_source(conversion lifecycle.located_conversion) RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_changed text;
BEGIN
    SELECT string_agg(n.key, ', ' ORDER BY n.key) INTO v_changed
    FROM jsonb_each(lifecycle._conversion_fingerprint(conversion.source, conversion.partitioned)) AS n
    WHERE n.value IS DISTINCT FROM (conversion.conversion).fingerprint -> n.key;
    IF conversion.source IS NULL OR conversion.partitioned IS NULL OR v_changed IS NOT NULL THEN
        RAISE EXCEPTION USING
            ERRCODE = 'object_not_in_prerequisite_state',
            MESSAGE = format('%s was altered since its conversion began', (conversion.conversion).source),
            DETAIL = format('Changed: %s.', coalesce(v_changed, 'one of the tables is gone')),
            HINT = format('Undo that, or SELECT * FROM lifecycle.rollback_conversion(%L, dry_run => false) and start '
                'anew.', (conversion.conversion).source);
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_same_source(lifecycle.located_conversion) IS
'Raises 55000 with what has changed when the tables are no longer those that the conversion was begun with.';
