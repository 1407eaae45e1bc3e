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

# Commands of other modules: each module has `main(arguments: list[str]) -> int` and its own --help.
_DELEGATED = {
    "serve": ("server", "start a throw-away server with the extension and leave it running"),
    "demo": ("demo", "run the coaching example and print what it did"),
}


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs one command and returns its exit code: 0 done, 1 findings or failures, 2 wrong usage."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    if given and given[0] in _DELEGATED:
        module = importlib.import_module(f"pg_lifecycle.{_DELEGATED[given[0]][0]}")
        return int(module.main(given[1:]))
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
        ("dist", _dist, "write the plain-SQL, pg_tle and PGXN bundles into dist/"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.set_defaults(run=run)
        if name == "build":
            command.add_argument("--check", action="store_true", help="write nothing; fail when a file is stale")
    for name, (_, text) in _DELEGATED.items():
        commands.add_parser(name, help=text, add_help=False)
    return parser


def _build(options: argparse.Namespace) -> int:
    from pg_lifecycle import bundle

    findings = bundle.build(check=options.check)
    if options.check:
        return report(findings)
    for finding in findings:
        print(f"wrote {finding.path}")
    return 0


def _dist(_: argparse.Namespace) -> int:
    from pg_lifecycle import bundle

    for path in bundle.dist():
        print(f"wrote {path.relative_to(bundle.ROOT)} ({path.stat().st_size:,} bytes)")
    return 0


def report(findings: Sequence[Finding]) -> int:
    """Prints findings; returns the exit code."""
    for finding in findings:
        print(finding)
    return 1 if findings else 0
