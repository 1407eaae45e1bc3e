CREATE VIEW lifecycle.settings WITH (security_invoker = true) AS
SELECT
    d.name,
    lifecycle.setting(d.name) AS value,
    d.default_value,
    d.unit,
    d.description
FROM lifecycle.setting_definition AS d;

COMMENT ON VIEW lifecycle.settings IS
'All settings with the value in force for this session. Columns: name; value, default_value (text, in unit); unit;
description.
Example: SELECT name, value, unit FROM lifecycle.settings;';
