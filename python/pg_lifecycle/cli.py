"""The command line: ``python -m pg_lifecycle <command>``.

A command imports what it needs when it runs: ``build`` must work with nothing but the standard library.
"""

from __future__ import annotations

import argparse
import importlib
import sys
from collections.abc import Callable, Sequence

from pg_lifecycle import __version__
from pg_lifecycle.source import Finding, SourceError

# Commands of other modules: module, arguments that go before the given ones, help. Each module has
# `main(arguments: list[str]) -> int`, and its own --help where it takes options.
_DELEGATED: dict[str, tuple[str, list[str], str]] = {
    "hosts": ("server", ["list"], "list the servers that can be had here"),
    "serve": ("server", [], "start a throw-away server with the extension and leave it running"),
    "demo": ("demo", [], "run the coaching example and print what it did"),
    "pytest": ("matrix", [], "run pytest on the server for PG_LIFECYCLE_MAJOR"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 findings or failures, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in _DELEGATED:
        name, before, _ = _DELEGATED[given[0]]
        return int(importlib.import_module(f"pg_lifecycle.{name}").main([*before, *given[1:]]))
    options = _parser().parse_args(given)
    run: Callable[[argparse.Namespace], int] = options.run
    try:
        return run(options)
    except SourceError as error:
        print(error, file=sys.stderr)
        return 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pg_lifecycle", description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--version", action="version", version=__version__)
    commands = parser.add_subparsers(required=True, metavar="command")
    for name, run, text in (
        ("build", _build, "write the extension script and the adoption script from sql/"),
        ("docs", _docs, "write docs/reference.md from the comments of the sources"),
        ("install", _install, "copy the extension into a server, like make install"),
        ("dist", _dist, "write the plain-SQL, pg_tle and PGXN bundles into dist/"),
        ("lint", _lint, "check sources, bodies, layout, house rules, generated files, Python"),
        ("security", _security, "run pgspot over the extension script"),
        ("test", _test, "run tox on every PostgreSQL that can be had here, and sum up"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if name in ("build", "docs"):
            command.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
        if name == "install":
            command.add_argument("--pg-config", default="pg_config", help="pg_config of that server")
        if name == "test":
            command.add_argument("envs", nargs="*", help="only these tox environments, such as lint pg18")
    for name, (_, _, text) in _DELEGATED.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _build(options: argparse.Namespace) -> int:
    from pg_lifecycle import bundle

    return _written(bundle.build(check=options.check), options.check)


def _docs(options: argparse.Namespace) -> int:
    from pg_lifecycle import reference

    return _written(reference.build(check=options.check), options.check)


def _written(findings: Sequence[Finding], check: bool) -> int:
    if check:
        return report(findings)
    for finding in findings:
        print(f"wrote {finding.path}")
    return 0


def _install(options: argparse.Namespace) -> int:
    from pg_lifecycle import bundle

    for path in bundle.install(options.pg_config):
        print(f"installed {path}")
    return 0


def _dist(_: argparse.Namespace) -> int:
    from pg_lifecycle import bundle

    for path in bundle.dist():
        print(f"wrote {path.relative_to(bundle.ROOT)} ({path.stat().st_size:,} bytes)")
    return 0


def _lint(_: argparse.Namespace) -> int:
    from pg_lifecycle import lint

    layers: list[tuple[str, Callable[[], int]]] = [
        ("sources: pglast and house rules", lambda: report(list(lint.lint_sources()))),
        ("layout: sqlfluff", lambda: report(list(lint.lint_layout()))),
        ("generated files", lambda: report(list(lint.lint_generated()))),
        ("python: ruff and mypy", lint.lint_python),
    ]
    code = 0
    for title, run in layers:
        print(f"lint {title} ...", flush=True)
        code = max(code, run())
    print("lint found nothing" if code == 0 else "lint failed")
    return int(code != 0)


def _security(_: argparse.Namespace) -> int:
    from pg_lifecycle import security

    return report(security.check())


def _test(options: argparse.Namespace) -> int:
    from pg_lifecycle import matrix

    return matrix.run(options.envs)


def report(findings: Sequence[Finding]) -> int:
    """Prints findings; returns the exit code."""
    for finding in findings:
        print(finding)
    return int(any(not finding.is_warning for finding in findings))
