-- The exchange of names, and of what is bound to the old table by its number. Each step carries its inverse under the
-- names that stand right after it; rollback_conversion runs them backwards.
CREATE FUNCTION lifecycle._rename_step(kind text, identity text, new_name name) RETURNS lifecycle.plan_step
LANGUAGE sql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._step('rename', format('%s %s', lower(kind), identity),
        format('ALTER %s %s RENAME TO %I', kind, identity, new_name),
        format('ALTER %s %I.%I RENAME TO %I', kind, p.parts[1], new_name, p.parts[2]))
    FROM (SELECT parse_ident(identity) AS parts) AS p
$fn$;
COMMENT ON FUNCTION lifecycle._rename_step(text, text, name) IS
'The step that renames a table, index, sequence or statistics object.';

CREATE FUNCTION lifecycle._away_name(namespace oid, wanted name, suffix text) RETURNS name
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE WHEN to_regclass(format('%s.%I', namespace::regnamespace, n.name)) IS NULL THEN n.name
        ELSE lifecycle._name(ARRAY[wanted::text, left(md5(wanted || suffix), 8)], suffix) END
    FROM (SELECT lifecycle._name(ARRAY[wanted::text], suffix) AS name) AS n
$fn$;
COMMENT ON FUNCTION lifecycle._away_name(oid, name, text) IS 'A free name for what makes way.';

-- suffix: what the names of the new relation and of its parts end with until then.
CREATE FUNCTION lifecycle._exchange_names(old regclass, new regclass, old_name name, suffix text, kind text)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT r.step FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        CROSS JOIN LATERAL (VALUES
            (1, lifecycle._rename_step('INDEX', i.indexrelid::regclass::text,
                lifecycle._away_name(c.relnamespace, c.relname, 'old'))),
            (2, lifecycle._rename_step('INDEX', format('%s.%I', c.relnamespace::regnamespace,
                lifecycle._name(ARRAY[c.relname::text], suffix)), c.relname))
        ) AS r (place, step)
        -- A key of each partition has no counterpart, and leaves its name for one.
        WHERE i.indrelid = old AND (r.place = 1 OR EXISTS (SELECT FROM pg_index AS x
            JOIN pg_class AS n ON n.oid = x.indexrelid AND n.relname = lifecycle._name(ARRAY[c.relname::text], suffix)
            WHERE x.indrelid = new))
        ORDER BY i.indexrelid, r.place
    ) || ARRAY(
        SELECT r.step FROM pg_statistic_ext AS s
        CROSS JOIN LATERAL (VALUES
            (1, lifecycle._rename_step('STATISTICS', format('%s.%I', s.stxnamespace::regnamespace, s.stxname),
                lifecycle._name(ARRAY[s.stxname::text], 'old'))),
            (2, lifecycle._rename_step('STATISTICS', format('%s.%I', s.stxnamespace::regnamespace,
                lifecycle._name(ARRAY[s.stxname::text], suffix)), s.stxname))
        ) AS r (place, step)
        WHERE s.stxrelid = old ORDER BY s.oid, r.place
    ) || ARRAY[
        lifecycle._rename_step(kind, old::text, old_name),
        lifecycle._rename_step(kind, new::text, c.relname)
    ]
    FROM pg_class AS c WHERE c.oid = old
$fn$;
COMMENT ON FUNCTION lifecycle._exchange_names(regclass, regclass, name, text, text) IS
'The steps that exchange the names of two relations and of their indexes and statistics objects.';

-- A sequence of its own goes over to the new table; an identity gets a new one that goes on where the old one stands.
CREATE FUNCTION lifecycle._sequence_grants(sequence regclass) RETURNS text
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT coalesce(string_agg(format('; GRANT %s ON SEQUENCE %s TO %s%s', a.privilege_type, sequence,
            lifecycle._grantee(a.grantee), CASE WHEN a.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END), ''
            ORDER BY a.grantee, a.privilege_type) FILTER (WHERE a.grantee IS NOT NULL), '')
        || CASE WHEN obj_description(sequence, 'pg_class') IS NULL THEN ''
            ELSE format('; COMMENT ON SEQUENCE %s IS %L', sequence, obj_description(sequence, 'pg_class')) END
    FROM pg_class AS c LEFT JOIN LATERAL aclexplode(c.relacl) AS a ON a.grantee <> c.relowner
    WHERE c.oid = sequence
    GROUP BY c.oid
$fn$;
COMMENT ON FUNCTION lifecycle._sequence_grants(regclass) IS
'Statements that give a new sequence of the same name the rights and the comment of this one.';

CREATE FUNCTION lifecycle._swap_sequences(source regclass, old_name name) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH owned AS (
        SELECT s.oid::regclass AS sequence, s.relname, s.relnamespace, a.attname, a.attidentity, q.*,
            format('%s.%I', c.relnamespace::regnamespace, _swap_sequences.old_name) AS old_table,
            format('%s.%I', s.relnamespace::regnamespace, n.name) AS old_sequence, n.name AS away_name,
            d.deptype, a.attnum
        FROM pg_depend AS d
        JOIN pg_class AS s ON s.oid = d.objid AND s.relkind = 'S'
        JOIN pg_sequence AS q ON q.seqrelid = s.oid
        JOIN pg_class AS c ON c.oid = d.refobjid
        JOIN pg_attribute AS a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
        CROSS JOIN LATERAL (SELECT lifecycle._away_name(s.relnamespace, s.relname, 'old') AS name) AS n
        WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
            AND d.refobjid = source AND d.deptype IN ('a', 'i')
    )
    SELECT ARRAY(
        SELECT r.step FROM owned AS o
        CROSS JOIN LATERAL (
            SELECT 1, lifecycle._step('own sequence', 'sequence ' || o.sequence,
                format('ALTER SEQUENCE %s OWNED BY %s.%I', o.sequence, source, o.attname),
                format('ALTER SEQUENCE %s OWNED BY %s.%I', o.sequence, o.old_table, o.attname))
            WHERE o.deptype = 'a'
            UNION ALL
            SELECT 2, lifecycle._rename_step('SEQUENCE', o.sequence::text, o.away_name) WHERE o.deptype = 'i'
            UNION ALL
            SELECT 3, lifecycle._step('add identity', format('column %s.%I', source, o.attname),
                format('ALTER TABLE %s ALTER COLUMN %I ADD GENERATED %s AS IDENTITY (SEQUENCE NAME %s INCREMENT %s '
                    || 'MINVALUE %s MAXVALUE %s START %s CACHE %s%s)', source, o.attname,
                    CASE o.attidentity WHEN 'a' THEN 'ALWAYS' ELSE 'BY DEFAULT' END, o.sequence, o.seqincrement,
                    o.seqmin, o.seqmax, o.seqstart, o.seqcache, CASE WHEN o.seqcycle THEN ' CYCLE' ELSE '' END)
                || lifecycle._sequence_grants(o.sequence),
                format('ALTER TABLE %s ALTER COLUMN %I DROP IDENTITY', source, o.attname))
            WHERE o.deptype = 'i'
            UNION ALL
            SELECT 4, lifecycle._step('set sequence', 'sequence ' || o.sequence,
                format('SELECT pg_catalog.setval(%L, s.last_value, s.is_called) FROM %s AS s', o.sequence,
                    o.old_sequence),
                format('SELECT pg_catalog.setval(%L, s.last_value, s.is_called) FROM %s AS s', o.old_sequence,
                    o.sequence))
            WHERE o.deptype = 'i'
        ) AS r (place, step)
        ORDER BY o.attnum, o.relname, r.place
    )
$fn$;
COMMENT ON FUNCTION lifecycle._swap_sequences(regclass, name) IS
'The steps that hand over sequences and identities. Their names are those after the renames.';

-- The definitions name the table as it is called before; run after the renames they mean the new one.
CREATE FUNCTION lifecycle._swap_triggers(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH own AS (
        SELECT t.* FROM pg_trigger AS t
        WHERE t.tgrelid = conversion.source AND NOT t.tgisinternal
            AND NOT lifecycle._is_soft_delete_trigger(t.oid)
            AND NOT EXISTS (SELECT FROM lifecycle.capture AS q WHERE to_regproc(q.queue) = t.tgfoid)
    ), old AS (
        SELECT format('%s.%I', c.relnamespace::regnamespace, (conversion.conversion).old_name) AS name
        FROM pg_class AS c WHERE c.oid = conversion.source
    )
    SELECT ARRAY(
        SELECT r.step FROM own AS t CROSS JOIN old AS o
        CROSS JOIN LATERAL (VALUES
            (1, lifecycle._step('disable trigger', format('trigger %I on %s', t.tgname, o.name),
                lifecycle._ddl_firing(o.name, 'TRIGGER', t.tgname, 'D'), CASE WHEN t.tgenabled <> 'D'
                    THEN lifecycle._ddl_firing(o.name, 'TRIGGER', t.tgname, t.tgenabled) END)),
            (2, lifecycle._step('create trigger', format('trigger %I on %s', t.tgname, conversion.source),
                lifecycle._ddl_trigger(t.oid),
                format('DROP TRIGGER %I ON %s', t.tgname, conversion.source)))
        ) AS r (place, step)
        ORDER BY t.tgname, r.place
    )
$fn$;
COMMENT ON FUNCTION lifecycle._swap_triggers(lifecycle.located_conversion) IS
'The steps that give the new table the triggers and keep those of the old one from firing.';

-- A rule of the table fires on every statement that writes to it, and would on those that keep the old one in step.
CREATE FUNCTION lifecycle._swap_rules(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT s.step FROM pg_rewrite AS r
        JOIN pg_class AS c ON c.oid = r.ev_class
        CROSS JOIN LATERAL (SELECT format('%s.%I', c.relnamespace::regnamespace, (conversion.conversion).old_name)
            AS name) AS o
        CROSS JOIN LATERAL (VALUES
            (1, lifecycle._step('disable rule', format('rule %I on %s', r.rulename, o.name),
                lifecycle._ddl_firing(o.name, 'RULE', r.rulename, 'D'), CASE WHEN r.ev_enabled <> 'D'
                    THEN lifecycle._ddl_firing(o.name, 'RULE', r.rulename, r.ev_enabled) END)),
            (2, lifecycle._step('create rule', format('rule %I on %s', r.rulename, conversion.source),
                lifecycle._ddl_rule(r.oid)))
        ) AS s (place, step)
        WHERE r.ev_class = conversion.source
        ORDER BY r.rulename, s.place
    )
$fn$;
COMMENT ON FUNCTION lifecycle._swap_rules(lifecycle.located_conversion) IS
'The steps that give the new table the rules and keep those of the old one from firing.';

CREATE FUNCTION lifecycle._swap_publications(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY(
        SELECT s.step FROM pg_publication_rel AS r
        JOIN pg_publication AS p ON p.oid = r.prpubid
        JOIN pg_class AS c ON c.oid = r.prrelid
        CROSS JOIN LATERAL (SELECT format('%s.%I', c.relnamespace::regnamespace, (conversion.conversion).old_name)
            AS name) AS o
        CROSS JOIN LATERAL (VALUES
            (1, lifecycle._step('unpublish', format('publication %I', p.pubname),
                format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, o.name), lifecycle._publish(r.oid, o.name))),
            (2, lifecycle._step('publish', format('publication %I', p.pubname),
                lifecycle._publish(r.oid, conversion.source::text),
                format('ALTER PUBLICATION %I DROP TABLE %s', p.pubname, conversion.source)))
        ) AS s (place, step)
        WHERE r.prrelid = conversion.source
        ORDER BY p.pubname, s.place
    )
$fn$;
COMMENT ON FUNCTION lifecycle._swap_publications(lifecycle.located_conversion) IS
'The steps that publish the new table where the old one was published by name.';

CREATE FUNCTION lifecycle._drop_capture_steps(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT ARRAY[
        lifecycle._step('drop capture', format('function %s()', (conversion.conversion).queue),
            format('DROP FUNCTION %s() CASCADE', (conversion.conversion).queue)),
        lifecycle._step('drop capture', 'table ' || (conversion.conversion).queue,
            format('DROP TABLE %s', (conversion.conversion).queue)),
        lifecycle._step('drop capture', 'capture ' || (conversion.conversion).queue,
            format('DELETE FROM lifecycle.capture WHERE queue OPERATOR(pg_catalog.=) %L',
                (conversion.conversion).queue)),
        -- Else verify_migrations would miss them. Those that made them: the ones above have no inverse.
        lifecycle._step('drop capture', 'journal of ' || (conversion.conversion).queue,
            format('UPDATE lifecycle.migration_step SET status = ''rolled_back'' WHERE status OPERATOR(pg_catalog.=) '
                '''done'' AND inverse IS NOT NULL AND object OPERATOR(pg_catalog.=) ANY (%L) AND applied_by '
                'OPERATOR(pg_catalog.=) current_user', ARRAY['table ' || (conversion.conversion).queue,
                format('function %s()', (conversion.conversion).queue), 'capture ' || (conversion.conversion).queue]))
    ]
$fn$;
COMMENT ON FUNCTION lifecycle._drop_capture_steps(lifecycle.located_conversion) IS
'The steps that end the capture of a conversion.';

CREATE FUNCTION lifecycle._plan_reverse_capture(conversion lifecycle.located_conversion)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._plan_capture(conversion.partitioned, 'conversion_reverse',
        (conversion.conversion).root_key || ARRAY(SELECT k FROM unnest((conversion.conversion).key_columns) AS k
        WHERE k <> ALL ((conversion.conversion).root_key)), 'row', true)
        || lifecycle._carry_capture_triggers(conversion.source, conversion.partitioned, 'conversion')
$fn$;
COMMENT ON FUNCTION lifecycle._plan_reverse_capture(lifecycle.located_conversion) IS
'The steps that begin to capture the new table, for the way back and for those who capture the old one.';

CREATE FUNCTION lifecycle._plan_exchange(conversion lifecycle.located_conversion, reverse_queue text)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_row constant lifecycle.conversion := conversion.conversion;
    v_ground constant record := lifecycle._carry_ground(conversion.source);
BEGIN
    RETURN v_ground.first_steps
        || lifecycle._drop_capture_steps(conversion)
        || lifecycle._drop_keys(conversion)
        || lifecycle._take_off(conversion.source)
        || lifecycle._take_off_soft_delete(conversion.source)
        || lifecycle._take_off_captures(conversion.source, 'conversion')
        || lifecycle._exchange_names(conversion.source, conversion.partitioned, v_row.old_name, 'partitioned', 'TABLE')
        || lifecycle._add_keys(conversion)
        || lifecycle._swap_sequences(conversion.source, v_row.old_name)
        || lifecycle._swap_triggers(conversion)
        || lifecycle._put_on_soft_delete(conversion.source, conversion.partitioned)
        || lifecycle._swap_rules(conversion)
        || lifecycle._swap_publications(conversion)
        || lifecycle._rebind(conversion.source)
        || lifecycle._build_beside(conversion.source)
        || lifecycle._carry_captures(conversion.source, conversion.partitioned, 'conversion')
        || lifecycle._carry_soft_delete(conversion.source, conversion.partitioned, ARRAY(
            SELECT (l ->> 'column')::name FROM jsonb_array_elements(v_row.levels) AS l))
        || lifecycle._step('rename in capture', 'capture ' || reverse_queue,
            format('UPDATE lifecycle.capture SET source = %L WHERE queue OPERATOR(pg_catalog.=) %L',
                conversion.source, reverse_queue))
        || lifecycle._step('rename in policy', 'partition policy of ' || conversion.source,
            format('UPDATE lifecycle.partition_policy SET parent = %L WHERE parent OPERATOR(pg_catalog.=) %L',
                conversion.source, conversion.partitioned),
            format('UPDATE lifecycle.partition_policy SET parent = %L WHERE parent OPERATOR(pg_catalog.=) %L',
                conversion.partitioned, conversion.source))
        || lifecycle._step('rename in policy', 'leaf keys of ' || conversion.source,
            format('UPDATE lifecycle.partition_leaf_key SET parent = %L WHERE parent OPERATOR(pg_catalog.=) %L',
                conversion.source, conversion.partitioned),
            format('UPDATE lifecycle.partition_leaf_key SET parent = %L WHERE parent OPERATOR(pg_catalog.=) %L',
                conversion.partitioned, conversion.source))
        || lifecycle._step('register swap', 'conversion of ' || v_row.source,
            format('UPDATE lifecycle.conversion SET phase = ''swapped'', swapped_at = pg_catalog.clock_timestamp(), '
                'queue = %L WHERE conversion_id OPERATOR(pg_catalog.=) %s', reverse_queue, v_row.conversion_id),
            format('UPDATE lifecycle.conversion SET phase = ''ready'' '
                'WHERE conversion_id OPERATOR(pg_catalog.=) %s', v_row.conversion_id))
        || v_ground.last_steps;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_exchange(lifecycle.located_conversion, text) IS
'The steps by which the new table takes the place of the old one.';

CREATE FUNCTION lifecycle._plan_swap(conversion lifecycle.located_conversion) RETURNS lifecycle.plan_step[]
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT lifecycle._number(lifecycle._plan_reverse_capture(conversion) || lifecycle._plan_exchange(conversion,
        lifecycle._queue_name(conversion.partitioned, 'conversion_reverse')))
$fn$;
COMMENT ON FUNCTION lifecycle._plan_swap(lifecycle.located_conversion) IS 'The steps of the swap, in order.';
