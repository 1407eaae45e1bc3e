"""The guide: all its statements run, in order."""

from __future__ import annotations

from harness import guides


def test_statements_of_the_guide(database, roles):
    printed = guides.run_as_owner(database, roles("owner"), guides.statements("conversion"))
    assert "failed" not in printed
    assert "orders_2026_02" in printed
    assert database.value("SELECT count(*) FROM orders") == 1000
    assert database.value("SELECT count(*) FROM orders_2026_02") == 224
