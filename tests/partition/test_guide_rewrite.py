"""What the guide says of rewriting partitions, run in order as somebody who is no superuser."""

from __future__ import annotations

import re
from pathlib import Path

from harness.calls import call

GUIDE = Path(__file__).parents[2] / "docs" / "partitioning.md"
SECTIONS = (
    "Rows in a default partition",
    "Another cut: split, merge, another span",
    "A default partition that is not in the way",
)


def test_statements_of_the_guide(database, roles):
    owner = roles("owner")
    call(database, "grant_lifecycle_admin", role_name=owner)
    database.execute(f"GRANT CREATE ON SCHEMA public TO {owner}")
    text = GUIDE.read_text(encoding="utf-8")
    session = ""
    for section in SECTIONS:
        part = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
        session += "\n".join(re.findall(r"^```sql\n(.*?)^```", part, re.MULTILINE | re.DOTALL))
    printed = database.server.run(
        "psql", "-X", "-v", "ON_ERROR_STOP=1", "-f", "-", dbname=database.name, stdin=f"SET ROLE {owner};\n{session}"
    )
    assert "failed" not in printed
    assert database.value("SELECT count(*) FROM public.visit") == 501
    assert database.value("SELECT count(*) FROM public.visit_2025_h1") == 180
    assert database.value("SELECT count(*) FROM public.visit_default") == 1
    assert database.value("SELECT count(*) FROM lifecycle.pending_steps()") == 0
