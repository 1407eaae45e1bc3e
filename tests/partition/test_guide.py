"""All SQL of the guide to partitions, run in its order in one session of somebody who is no superuser."""

from __future__ import annotations

from harness import guides


def test_the_whole_guide(database, roles):
    owner = roles("owner")
    database.execute(f'GRANT CREATE ON DATABASE "{database.name}" TO {owner}')
    printed = guides.run_as_owner(database, owner, guides.statements("partitioning"))
    assert "failed" not in printed
    assert database.value("SELECT count(*) FROM public.visit") == 501
    assert database.value("SELECT count(*) FROM public.visit_2025_h1") == 180
    assert database.value("SELECT count(*) FROM public.visit_default") == 1
    assert database.value("SELECT count(*) FROM lifecycle.pending_steps()") == 0
