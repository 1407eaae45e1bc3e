"""Which tests did not run, and whether they had a right not to."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable

import pytest

NEEDS = "needs "
NO_SUCH = "no_such_extension"  # what the test of this account asks for
TIME = (
    "time (PG_LIFECYCLE_LONG=no)"  # long tests run on the oldest and the newest released major, tox.ini says where not
)

# What a server may lack, by the start of its spec. The containers have all of contrib and the packages of
# extension/Dockerfile: there only what Debian does not build for that version, or what is not loaded (timescaledb),
# may be missing. Elsewhere anything may.
MAY_LACK: dict[str, set[str]] = {
    "docker:15": {"pg_ivm", "timescaledb", "PostgreSQL 16", "PostgreSQL 17", "PostgreSQL 18", "PostgreSQL 19"},
    "docker:17": {"pg_ivm", "timescaledb", "PostgreSQL 18", "PostgreSQL 19"},
    "docker:18": {"timescaledb", "PostgreSQL 19"},
}


def requires(*extensions: str) -> pytest.MarkDecorator:
    """Marks a test that needs extensions beside ours, such as ``@requires("pg_cron")``."""
    return pytest.mark.requires(*extensions)


def needs(what: str) -> None:
    """Skips the running test for want of something, in the words that the account understands."""
    pytest.skip(NEEDS + what)


def account(skipped: Iterable[tuple[str, str]]) -> dict[str, list[str]]:
    """Groups (test, reason) by what was missing; other reasons keep their words."""
    grouped: dict[str, list[str]] = defaultdict(list)
    for test, reason in skipped:
        grouped[re.sub(rf"^(Skipped: )?({NEEDS})?", "", reason)].append(test)
    return dict(sorted(grouped.items()))


def unexpected(spec: str, missing: Iterable[str]) -> list[str]:
    """What this server had no right to lack."""
    allowed = MAY_LACK.get(spec)
    return [] if allowed is None else [name for name in missing if name not in allowed | {NO_SUCH, TIME}]
