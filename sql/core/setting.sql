-- SET lifecycle.<name> takes any text, so the value is looked at where it is used as well as where it is stored.
CREATE FUNCTION lifecycle._require_setting_value(
    definition lifecycle.setting_definition, setting_value text
) RETURNS void LANGUAGE plpgsql IMMUTABLE SET search_path = pg_catalog, pg_temp AS $fn$
BEGIN
    -- Nine digits fit into an integer, whatever is done with it.
    IF definition.default_value ~ '^[0-9]+$' AND (setting_value !~ '^[0-9]{1,9}$'
            OR definition.unit = '%' AND setting_value::integer > 100
            OR definition.unit = 'tries' AND setting_value::integer < 1)
        OR definition.unit LIKE '% | %' AND setting_value <> ALL (string_to_array(definition.unit, ' | '))
    THEN
        RAISE EXCEPTION USING
            ERRCODE = 'invalid_parameter_value',
            MESSAGE = format('setting %s cannot be %L', definition.name, setting_value),
            DETAIL = CASE WHEN definition.unit LIKE '% | %' THEN format('It is one of: %s.', definition.unit)
                ELSE format('It is a whole number (%s) from %s to %s.', definition.unit,
                    CASE definition.unit WHEN 'tries' THEN 1 ELSE 0 END,
                    CASE definition.unit WHEN '%' THEN 100 ELSE 999999999 END) END,
            HINT = format('%s The default is %s.', definition.description, quote_literal(definition.default_value));
    END IF;
END
$fn$;
COMMENT ON FUNCTION lifecycle._require_setting_value(lifecycle.setting_definition, text) IS
'Raises 22023 for a value that a setting cannot have.';

CREATE FUNCTION lifecycle._setting_definition(setting_name text) RETURNS lifecycle.setting_definition
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_definition lifecycle.setting_definition;
BEGIN
    SELECT d.* INTO v_definition FROM lifecycle.setting_definition AS d WHERE d.name = setting_name;
    IF NOT FOUND THEN
        RAISE EXCEPTION USING
            ERRCODE = 'undefined_object',
            MESSAGE = format('there is no setting %L', setting_name),
            HINT = 'SELECT name FROM lifecycle.settings lists them.';
    END IF;
    RETURN v_definition;
END
$fn$;
COMMENT ON FUNCTION lifecycle._setting_definition(text) IS 'The definition of a setting; raises 42704 without one.';

CREATE FUNCTION lifecycle.setting(setting_name text) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $fn$
DECLARE
    v_definition constant lifecycle.setting_definition := lifecycle._setting_definition(setting_name);
    v_value text;
BEGIN
    v_value := coalesce(
        nullif(current_setting('lifecycle.' || setting_name, true), ''),
        (SELECT v.value FROM lifecycle.setting_value AS v WHERE v.name = setting_name),
        v_definition.default_value
    );
    PERFORM lifecycle._require_setting_value(v_definition, v_value);
    RETURN v_value;
END
$fn$;
COMMENT ON FUNCTION lifecycle.setting(text) IS
'The value of a setting that is in force for this session: SET lifecycle.<name>, else the value stored in this database
with lifecycle.set_setting, else the default.

Arguments: setting_name - one of SELECT name FROM lifecycle.settings.
Returns: the value as text, in the unit that lifecycle.settings names.
Errors: 42704 when there is no such setting.
Example: SELECT lifecycle.setting(''lock_timeout'');';
