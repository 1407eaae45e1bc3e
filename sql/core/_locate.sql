-- Where a journaled object is today. In the database that wrote the row the oid decides and a rename is followed; in a
-- restored one the oids mean nothing and the name decides.
CREATE FUNCTION lifecycle._locate(
    object text, address lifecycle.object_address, origin text
) RETURNS lifecycle.object_address LANGUAGE sql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
    SELECT CASE
        WHEN _locate.address IS NULL THEN NULL
        WHEN _locate.origin <> lifecycle._origin() THEN lifecycle._address(_locate.object)
        WHEN lifecycle._identity(_locate.address) IS NOT NULL THEN _locate.address
    END
$fn$;
COMMENT ON FUNCTION lifecycle._locate(text, lifecycle.object_address, text) IS
'The address of a journaled object in this database today, or NULL when it is gone.';
