"""The guide: all its statements run, in order."""

from __future__ import annotations

import re
from pathlib import Path

from harness.calls import call

GUIDE = Path(__file__).parents[2] / "docs" / "conversion.md"


def test_statements_of_the_guide(database, roles):
    owner = roles("owner")
    call(database, "grant_lifecycle_admin", role_name=owner)
    database.execute(f"GRANT CREATE ON SCHEMA public TO {owner}")
    session = "\n".join(re.findall(r"^```sql\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL))
    printed = database.server.run(
        "psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-", dbname=database.name, stdin=f"SET ROLE {owner};\n{session}"
    )
    assert "failed" not in printed
    assert "orders_2026_02" in printed
    assert database.value("SELECT count(*) FROM orders") == 1000
    assert database.value("SELECT count(*) FROM orders_2026_02") == 224
