"""The guide: all its statements run, in order."""

from __future__ import annotations

import re
from pathlib import Path

GUIDE = Path(__file__).parents[2] / "docs" / "materialized_views.md"


def test_statements_of_the_guide(database, roles):
    """The role that the guide makes is one of this test, so that it goes again."""
    service = roles("service")
    statements = re.findall(r"^```sql\n(.*?)^```", GUIDE.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL)
    session = "\n".join(statements).replace("CREATE ROLE service;", "")
    session = re.sub(r"\bservice\b", service, session)
    printed = database.server.run("psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-", dbname=database.name, stdin=session)
    assert "failed" not in printed
    assert database.value("SELECT count(*) FROM lifecycle.mv_refresh_status WHERE every IS NOT NULL") == 1
    names = "SELECT view_name FROM lifecycle.mv_refresh_status WHERE kind = 'incremental view'"
    assert {"shop_sales", "region_sales"} <= {name for (name,) in database.execute(names)}
