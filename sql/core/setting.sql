CREATE FUNCTION lifecycle.setting(setting_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_default text;
BEGIN
    SELECT d.default_value INTO v_default FROM lifecycle.setting_definition AS d WHERE d.name = setting_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no setting %L', setting_name),
            HINT = 'SELECT name FROM lifecycle.settings lists them.';
    END IF;
    RETURN coalesce(
        nullif(current_setting('lifecycle.' || setting_name, true), ''),
        (SELECT v.value FROM lifecycle.setting_value AS v WHERE v.name = setting_name),
        v_default
    );
END
$fn$;
COMMENT ON FUNCTION lifecycle.setting(text) IS
'The value of a setting that is in force for this session: SET lifecycle.<name>, else the value stored in this database
with lifecycle.set_setting, else the default.

Arguments: setting_name - one of SELECT name FROM lifecycle.settings.
Returns: the value as text, in the unit that lifecycle.settings names.
Errors: 42704 when there is no such setting.
Example: SELECT lifecycle.setting(''lock_timeout'');';
