"""The reference says what the comments of the sources say."""

from pg_lifecycle import reference, syntax
from pg_lifecycle.source import Part

TEXT = """\
CREATE FUNCTION lifecycle._private() RETURNS void LANGUAGE sql AS $fn$ SELECT 1 $fn$;
CREATE FUNCTION lifecycle.double(n integer, label text DEFAULT 'x') RETURNS SETOF lifecycle.finding
LANGUAGE sql AS $fn$ SELECT 1 $fn$;
COMMENT ON FUNCTION lifecycle.double(integer, text) IS
'Doubles
a number.

Arguments: n - the number; label - its name.
Returns: rows.
Errors: none.
Example: SELECT lifecycle.double(2,
    ''b'');';
CREATE VIEW lifecycle.v AS SELECT 1 AS x;
COMMENT ON VIEW lifecycle.v IS 'A view.';
"""

EXPECTED = """
## core

### double

```sql
lifecycle.double(
    n integer,
    label text DEFAULT 'x'
) RETURNS SETOF lifecycle.finding
```

Doubles
a number.

**Arguments**: n - the number; label - its name.

**Returns**: rows.

**Errors**: none.

```sql
SELECT lifecycle.double(2,
    'b');
```

### view lifecycle.v

A view.
"""


def test_an_entry_has_signature_sections_and_example() -> None:
    assert reference.render([syntax.read(Part("sql/core/double.sql", TEXT))]).endswith(EXPECTED)
