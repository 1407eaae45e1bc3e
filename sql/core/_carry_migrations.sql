-- A table takes the place of another one, and what the journal knows of the one is true of the other. A stored step is
-- never turned to another object: it is written anew, by whoever swaps the tables, and the old migration is closed as
-- long as the new one stands.

-- Names are quoted where they hold a parenthesis, so the first one that is not opens the list of columns.
CREATE FUNCTION lifecycle._widened_statement(statement text, columns name[]) RETURNS text
LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_quote text := '';
    v_depth integer := 0;
    v_from integer;
    v_entries text[] := ARRAY[]::text[];
    v_entry text := '';
    v_char text;
BEGIN
    FOR v_place IN 1..length(statement) LOOP
        v_char := substr(statement, v_place, 1);
        IF v_quote <> '' THEN
            v_quote := CASE WHEN v_char = v_quote THEN '' ELSE v_quote END;
        ELSIF v_char IN ('"', '''') THEN
            v_quote := v_char;
        ELSIF v_char = '(' THEN
            v_from := coalesce(v_from, v_place);
            v_depth := v_depth + 1;
        ELSIF v_char = ')' THEN
            v_depth := v_depth - 1;
        END IF;
        CONTINUE WHEN v_from IS NULL OR v_place = v_from;
        IF v_depth = 0 OR v_depth = 1 AND v_quote = '' AND v_char = ',' THEN
            v_entries := array_append(v_entries, btrim(v_entry));
            v_entry := '';
        ELSE
            v_entry := v_entry || v_char;
        END IF;
        IF v_depth = 0 THEN
            RETURN CASE WHEN starts_with(statement, 'CREATE UNIQUE INDEX')
                    OR left(statement, v_from - 1) ~ ' UNIQUE (NULLS NOT DISTINCT )?$'
                THEN left(statement, v_place - 1) || coalesce((
                    SELECT string_agg(', ' || quote_ident(c.name), '' ORDER BY c.place)
                    FROM unnest(columns) WITH ORDINALITY AS c (name, place)
                    WHERE quote_ident(c.name) <> ALL (v_entries)), '') || substr(statement, v_place)
                ELSE statement END;
        END IF;
    END LOOP;
    RETURN statement;
END
$fn$;
COMMENT ON FUNCTION lifecycle._widened_statement(text, name[]) IS
'A statement that makes a unique index or constraint, with more columns where they are missing; others as they are.';

CREATE FUNCTION lifecycle._may_carry(migration lifecycle.migration) RETURNS boolean
LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    -- Whoever closes one must be able to revive it.
    SELECT lifecycle._may_run(migration.applied_by, migration.session_by, migration.writer)
        AND (migration.applied_by = current_user OR lifecycle._is_superuser(current_user))
$fn$;
COMMENT ON FUNCTION lifecycle._may_carry(lifecycle.migration) IS
'Whether the caller may write a migration anew for a table that takes the place of its target.';

CREATE FUNCTION lifecycle._carry_migrations(
    feature text, former oid, present regclass, keys name[], added lifecycle.plan_step[]
) RETURNS void LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_old lifecycle.migration;
    v_new bigint;
    v_added lifecycle.plan_step[] := added;
BEGIN
    PERFORM lifecycle._require_admin();
    FOR v_old IN
        SELECT m.* FROM lifecycle.migration AS m
        WHERE m.feature = _carry_migrations.feature AND m.target_oid = former AND m.origin = lifecycle._origin()
            AND m.state <> 'rolled_back'
        ORDER BY m.migration_id
    LOOP
        PERFORM lifecycle._require_may_run(v_old.migration_id, v_old.applied_by, v_old.session_by, v_old.writer);
        UPDATE lifecycle.migration AS m
        SET state = 'rolled_back', rolled_back_at = clock_timestamp(), rolled_back_by = current_user
        WHERE m.migration_id = v_old.migration_id;
        INSERT INTO lifecycle.migration (name, feature, part_of, target, target_oid, parameters, search_path,
            plan_hash, state)
        VALUES (v_old.name, v_old.feature, v_old.part_of, present::text, present::oid,
            v_old.parameters || jsonb_build_object('carried_from', v_old.migration_id), v_old.search_path,
            v_old.plan_hash, v_old.state)
        RETURNING migration_id INTO v_new;
        INSERT INTO lifecycle.migration_step (migration_id, step, stage, action, object, statement, inverse, top_level,
            note)
        SELECT v_new, s.step, s.stage, s.action, s.object, s.statement,
            CASE WHEN s.action IN ('drop index', 'drop constraint')
                THEN lifecycle._widened_statement(s.inverse, keys) ELSE s.inverse END,
            s.top_level, s.note
        FROM lifecycle.migration_step AS s
        WHERE s.migration_id = v_old.migration_id AND s.status <> 'rolled_back'
        UNION ALL
        SELECT v_new, 100000 + a.place, 1, a.action, a.object, a.statement, a.inverse, false, a.note
        FROM unnest(v_added) WITH ORDINALITY
            AS a (step, stage, action, object, statement, inverse, top_level, note, place);
        PERFORM lifecycle._settle(v_new, n.step, coalesce(s.made, true))
        FROM lifecycle.migration_step AS n
        LEFT JOIN lifecycle.migration_step AS s ON s.migration_id = v_old.migration_id AND s.step = n.step
        WHERE n.migration_id = v_new AND coalesce(s.status, 'done') = 'done';
        v_added := '{}';
    END LOOP;
END
$fn$;
COMMENT ON FUNCTION lifecycle._carry_migrations(text, oid, regclass, name[], lifecycle.plan_step[]) IS
'Writes the migrations of a feature that stand on a table anew for the one that has taken its place; keys: the columns
that unique keys of that one must hold; added: what stands on that one besides, and goes with the first migration.';

CREATE FUNCTION lifecycle._carry_back(feature text, former oid) RETURNS void
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_old bigint[];
BEGIN
    PERFORM lifecycle._require_admin();
    WITH closed AS (
        UPDATE lifecycle.migration AS m
        SET state = 'rolled_back', rolled_back_at = clock_timestamp(), rolled_back_by = current_user
        WHERE m.migration_id = ANY (lifecycle._open_migrations(_carry_back.feature, former::regclass))
        RETURNING m.parameters
    )
    SELECT array_agg((c.parameters ->> 'carried_from')::bigint) INTO v_old FROM closed AS c;
    UPDATE lifecycle.migration AS m
    SET state = CASE WHEN EXISTS (SELECT FROM lifecycle.migration_step AS s WHERE s.migration_id = m.migration_id
            AND s.status IN ('pending', 'failed')) THEN 'pending' ELSE 'applied' END,
        rolled_back_at = NULL, rolled_back_by = NULL
    WHERE m.migration_id = ANY (v_old);
END
$fn$;
COMMENT ON FUNCTION lifecycle._carry_back(text, oid) IS
'Closes the migrations of a feature that stand on a table which gives the place back, and revives those that they were
written after.';
