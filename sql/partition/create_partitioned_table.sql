-- A unique constraint of a partitioned table holds its keys: those that do not are widened, and the plan says so.
CREATE FUNCTION lifecycle._partitioned_indexes(source regclass, levels jsonb[], partitioned text)
RETURNS lifecycle.plan_step[] LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    WITH level AS (
        SELECT l.level ->> 'column' AS name, l.place FROM unnest(levels) WITH ORDINALITY AS l (level, place)
    ), index AS (
        SELECT i.indexrelid, i.indisprimary, i.indisunique, k.conname, pg_get_indexdef(i.indexrelid) AS definition,
            format('CREATE %sINDEX %I ON %s%s', CASE WHEN i.indisunique THEN 'UNIQUE ' ELSE '' END, c.relname,
                CASE c.relkind WHEN 'I' THEN 'ONLY ' ELSE '' END, source) AS beginning,
            i.indexprs IS NULL AND i.indpred IS NULL AS is_plain, k.contype,
            (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY n.place)
             FROM unnest(i.indkey[:i.indnkeyatts - 1]) WITH ORDINALITY AS n (number, place)
             JOIN pg_attribute AS a ON a.attrelid = source AND a.attnum = n.number) AS columns,
            (SELECT string_agg(quote_ident(l.name), ', ' ORDER BY l.place) FROM level AS l
             WHERE l.name NOT IN (SELECT a.attname::text FROM unnest(i.indkey[:i.indnkeyatts - 1]) AS n (number)
                JOIN pg_attribute AS a ON a.attrelid = source AND a.attnum = n.number)) AS missing
        FROM pg_index AS i
        JOIN pg_class AS c ON c.oid = i.indexrelid
        LEFT JOIN pg_constraint AS k
            ON k.conindid = i.indexrelid AND k.conrelid = source AND k.contype IN ('p', 'u', 'x')
        WHERE i.indrelid = source
    )
    SELECT coalesce(array_agg(CASE
        WHEN x.contype = 'x' OR x.indisunique AND NOT x.is_plain
            THEN lifecycle._step('create index', 'table ' || partitioned, NULL,
                note => format('not made: %s cannot hold the keys of the partitions', x.indexrelid::regclass))
        WHEN x.contype IS NOT NULL OR x.indisunique
            THEN lifecycle._step('add constraint', 'table ' || partitioned,
                format('ALTER TABLE %s ADD %s (%s)', partitioned,
                    CASE WHEN x.indisprimary THEN 'PRIMARY KEY' ELSE 'UNIQUE' END,
                    concat_ws(', ', x.columns, x.missing)),
                note => 'unique only together with ' || x.missing)
        ELSE lifecycle._step('create index', 'table ' || partitioned,
            format('CREATE INDEX ON %s%s', partitioned, substr(x.definition, length(x.beginning) + 1)))
    END ORDER BY x.indisprimary DESC, x.indexrelid), '{}')
    FROM index AS x
$fn$;
COMMENT ON FUNCTION lifecycle._partitioned_indexes(regclass, jsonb[], text) IS
'The steps that give a partitioned table the indexes of another table, unique ones widened by the keys.';

CREATE FUNCTION lifecycle._plan_partitioned_table(source regclass, levels jsonb[], partitioned text)
RETURNS lifecycle.plan_step[] LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = source);
    v_plan lifecycle.plan_step[];
BEGIN
    v_plan := ARRAY[lifecycle._step('create table', 'table ' || partitioned,
        format('CREATE TABLE %s (LIKE %s INCLUDING ALL EXCLUDING INDEXES) PARTITION BY %s', partitioned, source,
            lifecycle._partition_by(levels)),
        format('DROP TABLE %s', partitioned))];
    IF pg_get_userbyid(v_source.relowner) <> current_user THEN
        v_plan := v_plan || lifecycle._step('set owner', 'table ' || partitioned,
            format('ALTER TABLE %s OWNER TO %I', partitioned, pg_get_userbyid(v_source.relowner)));
    END IF;
    v_plan := v_plan || lifecycle._partitioned_indexes(source, levels, partitioned) || ARRAY(
        SELECT lifecycle._step('add foreign key', 'table ' || partitioned,
            format('ALTER TABLE %s ADD CONSTRAINT %I %s', partitioned, k.conname, pg_get_constraintdef(k.oid)))
        FROM pg_constraint AS k WHERE k.conrelid = source AND k.contype = 'f' AND k.conparentid = 0 ORDER BY k.conname
    ) || lifecycle._partition_grants(source, partitioned);
    IF v_source.relrowsecurity THEN
        v_plan := v_plan || lifecycle._step('enable row security', 'table ' || partitioned,
            format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY%s', partitioned,
                CASE WHEN v_source.relforcerowsecurity THEN ', FORCE ROW LEVEL SECURITY' ELSE '' END));
    END IF;
    v_plan := v_plan || ARRAY(
        SELECT lifecycle._copy_policy(p.oid, partitioned) FROM pg_policy AS p WHERE p.polrelid = source
        ORDER BY p.polname
    );
    IF obj_description(source, 'pg_class') IS NOT NULL THEN
        v_plan := v_plan || lifecycle._step('set comment', 'table ' || partitioned,
            format('COMMENT ON TABLE %s IS %L', partitioned, obj_description(source, 'pg_class')));
    END IF;
    RETURN v_plan;
END
$fn$;
COMMENT ON FUNCTION lifecycle._plan_partitioned_table(regclass, jsonb[], text) IS
'The steps that make an empty partitioned table like another table.';

CREATE FUNCTION lifecycle.create_partitioned_table(
    source regclass,
    levels jsonb,
    table_name name DEFAULT NULL,
    premake integer DEFAULT 6,
    retention text DEFAULT NULL,
    time_zone text DEFAULT current_setting('TimeZone'),
    name_format text DEFAULT NULL,
    dry_run boolean DEFAULT false,
    expected_plan text DEFAULT NULL,
    search_path text DEFAULT current_setting('search_path')
) RETURNS SETOF lifecycle.step_result LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_source constant pg_class := (SELECT c FROM pg_class AS c WHERE c.oid = source);
    v_name constant text := format('%s.%I', v_source.relnamespace::regnamespace,
        coalesce(table_name, lifecycle._name(ARRAY[v_source.relname::text], 'partitioned')));
    v_standing regclass;
    v_levels constant jsonb[] := lifecycle._levels(levels);
    v_plan lifecycle.plan_step[];
BEGIN
    PERFORM lifecycle._require_table(source);
    PERFORM lifecycle._require_owner(source);
    PERFORM lifecycle._require_levels(source, v_levels);
    PERFORM lifecycle._require_retention(source, v_levels, retention);
    PERFORM lifecycle._require_policy_values(premake, create_partitioned_table.time_zone,
        create_partitioned_table.name_format);
    PERFORM lifecycle._require_local_name('table_name', table_name);
    v_standing := to_regclass(v_name);
    IF v_standing IS NULL THEN
        v_plan := lifecycle._plan_partitioned_table(source, v_levels, v_name);
    ELSIF (SELECT c.relkind FROM pg_class AS c WHERE c.oid = v_standing) = 'p' THEN
        PERFORM lifecycle._require_same_levels(v_standing, v_levels);
        v_plan := ARRAY[lifecycle._step('create table', 'table ' || v_name, NULL, note => 'stands already')];
    ELSE
        RAISE EXCEPTION USING ERRCODE = 'duplicate_table', MESSAGE = format('%s exists already', v_name),
            HINT = 'Choose another table_name.';
    END IF;
    v_plan := v_plan || lifecycle._policy_step(v_name, to_jsonb(v_levels), premake, retention,
            create_partitioned_table.time_zone, create_partitioned_table.name_format,
            (SELECT p.policy FROM lifecycle._policies() AS p WHERE p.relation = v_standing::oid));
    IF v_standing IS NULL THEN
        v_plan := v_plan || lifecycle._plan_level(source, v_name, NULL, v_levels, '{}', jsonb_strip_nulls(
            jsonb_build_object('premake', premake, 'uncaptured', true, 'time_zone', create_partitioned_table.time_zone,
                'name_format', create_partitioned_table.name_format)));
    END IF;
    PERFORM lifecycle._lock(ARRAY[source], 'SHARE UPDATE EXCLUSIVE', dry_run, ARRAY(
        SELECT k.confrelid::regclass FROM pg_constraint AS k
        WHERE k.conrelid = source AND k.contype = 'f' AND v_standing IS NULL));
    RETURN QUERY SELECT * FROM lifecycle._apply('partitioned_table', source, v_plan, dry_run, expected_plan,
        jsonb_build_object('table', v_name, 'time_zone', create_partitioned_table.time_zone),
        create_partitioned_table.search_path);
END
$fn$;
COMMENT ON FUNCTION lifecycle.create_partitioned_table(
    regclass, jsonb, name, integer, text, text, text, boolean, text, text
) IS
'Makes an empty partitioned table like another table, of any number of levels, with its policy and, as far as no LIST
level stands before them, the partitions of the present and ahead. No rows are moved.

Arguments: source - the table whose columns, defaults, constraints, indexes, foreign keys, owner, grants and row
security it gets; levels - from the top, as lifecycle.by_list || by_range || by_hash write them; table_name - default
<source>_partitioned, in the schema of the source; premake, retention, time_zone, name_format - as in
lifecycle.manage_partitions; dry_run - only show the plan; expected_plan - plan_hash of the reviewed dry run;
search_path - not used by the statements.
Returns: one row a step (lifecycle.step_result). A primary key that lacks the keys of the partitions is widened, and the
note says so.
Errors: 42703 no such column; 22023 levels or what the policy says; 42602 table_name has a schema; 42P07 it is taken;
42809; 42501 not the owner; 55P03 lock.
Example: SELECT * FROM lifecycle.create_partitioned_table(''public.observation'',
    ARRAY[lifecycle.by_list(''program_id''), lifecycle.by_range(''created_at'', ''1 month'')]);';
