"""The guide: all its statements run, in order."""

from __future__ import annotations

import re

from harness import guides


def test_statements_of_the_guide(database, roles):
    """The role that the guide makes is one of this test, so that it goes again."""
    session = guides.statements("materialized_views").replace("CREATE ROLE service;", "")
    printed = guides.run(database, re.sub(r"\bservice\b", roles("service"), session))
    assert "failed" not in printed
    assert database.value("SELECT count(*) FROM lifecycle.mv_refresh_status WHERE every IS NOT NULL") == 1
    names = "SELECT view_name FROM lifecycle.mv_refresh_status WHERE kind = 'incremental view'"
    assert {"shop_sales", "region_sales"} <= {name for (name,) in database.execute(names)}
