-- What a fingerprint covers: the part of an object that our statement decided, not what others may add to it later, and
-- not its name. (plpgsql keeps the plans of the session; a function in SQL would plan them all at every step.)
CREATE FUNCTION lifecycle._definition(address lifecycle.object_address) RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp SET datestyle = 'ISO, YMD' SET timezone = 'UTC' AS $fn$
BEGIN
    CASE (address).class_id
        WHEN 'pg_class'::regclass THEN
            IF (address).sub_id > 0 THEN
                RETURN (
                    SELECT concat_ws(' ', format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity,
                            a.attgenerated, pg_get_expr(d.adbin, d.adrelid))
                    FROM pg_attribute AS a LEFT JOIN pg_attrdef AS d ON d.adrelid = a.attrelid AND d.adnum = a.attnum
                    WHERE a.attrelid = (address).object_id AND a.attnum = (address).sub_id AND NOT a.attisdropped);
            END IF;
            RETURN (
                SELECT concat_ws(' ', c.relkind, c.relpersistence, c.reloptions, CASE
                        WHEN c.relkind IN ('v', 'm') THEN pg_get_viewdef(c.oid)
                        WHEN c.relkind IN ('i', 'I') THEN
                            replace(pg_get_indexdef(c.oid), format(' INDEX %I ON ', c.relname), ' INDEX ON ')
                        ELSE concat_ws(' ', pg_get_expr(c.relpartbound, 0), pg_get_partkeydef(c.oid))
                    END)
                FROM pg_class AS c WHERE c.oid = (address).object_id);
        WHEN 'pg_proc'::regclass THEN
            RETURN (
                SELECT replace(pg_get_functiondef(p.oid), format(' %s.%I(', p.pronamespace::regnamespace, p.proname),
                        ' (')
                FROM pg_proc AS p WHERE p.oid = (address).object_id);
        WHEN 'pg_constraint'::regclass THEN
            RETURN pg_get_constraintdef((address).object_id);
        WHEN 'pg_trigger'::regclass THEN
            RETURN (
                SELECT t.tgenabled::text
                    || replace(pg_get_triggerdef(t.oid), format(' TRIGGER %I ', t.tgname), ' TRIGGER ')
                FROM pg_trigger AS t WHERE t.oid = (address).object_id);
        WHEN 'pg_policy'::regclass THEN
            RETURN (
                SELECT concat_ws(' ', p.polcmd, p.polpermissive, ARRAY(
                        SELECT pg_get_userbyid(r.role) FROM unnest(p.polroles) AS r (role) ORDER BY 1
                    ), pg_get_expr(p.polqual, p.polrelid),
                        pg_get_expr(p.polwithcheck, p.polrelid))
                FROM pg_policy AS p WHERE p.oid = (address).object_id);
        ELSE
            RETURN lifecycle._identity(address);
    END CASE;
END
$fn$;
COMMENT ON FUNCTION lifecycle._definition(lifecycle.object_address) IS
'The definition of an object as this server renders it, for fingerprints; NULL when it is gone.';
