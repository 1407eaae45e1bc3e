"""What the guide says of rewriting partitions, run in order as somebody who is no superuser."""

from __future__ import annotations

from harness import guides

SECTIONS = (
    "Rows in a default partition",
    "Another cut: split, merge, another span",
    "A default partition that is not in the way",
)


def test_statements_of_the_guide(database, roles):
    printed = guides.run_as_owner(database, roles("owner"), guides.statements("partitioning", SECTIONS))
    assert "failed" not in printed
    assert database.value("SELECT count(*) FROM public.visit") == 501
    assert database.value("SELECT count(*) FROM public.visit_2025_h1") == 180
    assert database.value("SELECT count(*) FROM public.visit_default") == 1
    assert database.value("SELECT count(*) FROM lifecycle.pending_steps()") == 0
