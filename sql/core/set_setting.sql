CREATE FUNCTION lifecycle.set_setting(setting_name text, setting_value text) RETURNS text
LANGUAGE plpgsql SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_definition constant lifecycle.setting_definition := lifecycle._setting_definition(setting_name);
BEGIN
    IF setting_value IS NULL THEN
        DELETE FROM lifecycle.setting_value AS v WHERE v.name = setting_name;
        RETURN v_definition.default_value;
    END IF;
    PERFORM lifecycle._require_setting_value(v_definition, setting_value);
    INSERT INTO lifecycle.setting_value AS v (name, value) VALUES (setting_name, setting_value)
    ON CONFLICT ON CONSTRAINT setting_value_pkey
    DO UPDATE SET value = excluded.value, changed_at = clock_timestamp(), changed_by = current_user;
    RETURN setting_value;
END
$fn$;
COMMENT ON FUNCTION lifecycle.set_setting(text, text) IS
'Stores a setting for the whole database. A session may still override it with SET lifecycle.<name>.

Arguments: setting_name - one of SELECT name FROM lifecycle.settings; setting_value - the value in the unit named there,
or NULL to go back to the default.
Returns: the value now stored.
Errors: 42704 when there is no such setting; 22023 when the setting takes no such value.
Example: SELECT lifecycle.set_setting(''lock_timeout'', ''300'');';
