-- The first question of every change: is this a table that we may touch at all?
CREATE FUNCTION lifecycle._require_table(target regclass, kinds text[] DEFAULT '{r,p}') RETURNS void
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_kinds constant jsonb := '{"r": "a table", "p": "a partitioned table", "v": "a view", "m": "a materialized view",
        "i": "an index", "I": "a partitioned index", "S": "a sequence", "f": "a foreign table", "c": "a composite type",
        "t": "a TOAST table"}';
    v_class pg_class;
BEGIN
    IF target IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'null_value_not_allowed', MESSAGE = 'the target must not be NULL',
            HINT = 'Name the table, for example ''public.orders''.';
    END IF;
    SELECT c.* INTO v_class FROM pg_class AS c WHERE c.oid = target;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING ERRCODE = 'undefined_table', MESSAGE = format('there is no relation with oid %s',
            target::oid);
    END IF;
    IF v_class.relkind::text <> ALL (kinds) THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is %s', target, v_kinds ->> v_class.relkind::text),
            DETAIL = format('Expected: %s.', (SELECT string_agg(v_kinds ->> k, ' or ') FROM unnest(kinds) AS k)),
            HINT = CASE WHEN v_class.relkind = 'r' AND kinds = '{p}'
                THEN coalesce(
                    (SELECT format('It is a partition of %s: name that.', i.inhparent::regclass)
                        FROM pg_inherits AS i WHERE i.inhrelid = target AND v_class.relispartition),
                    format('CALL lifecycle.safe_migrate_table(%L, ...) makes it one while it is in use.', target))
                ELSE 'Name another one.' END;
    END IF;
    IF v_class.relnamespace IN ('pg_catalog'::regnamespace, 'information_schema'::regnamespace,
        'lifecycle'::regnamespace)
        OR v_class.relpersistence = 't'
        OR EXISTS (SELECT FROM pg_depend AS d WHERE d.classid = 'pg_class'::regclass AND d.objid = target
            AND d.deptype = 'e')
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'wrong_object_type',
            MESSAGE = format('%s is a system, extension or temporary relation', target),
            HINT = 'Only permanent tables of your own can be managed.';
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_table(regclass, text[]) IS
'Raises 22004, 42P01 or 42809 unless the target is a permanent relation of one of these kinds that belongs to no
extension.';
