"""The builder: what it refuses and what it makes. test_plain_install.py shows that it works on a server."""

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from pg_lifecycle import __version__, bundle
from pg_lifecycle.source import SourceError, members, parameter_names, statements

SCHEMA = "CREATE SCHEMA lifecycle;\n"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with two sources."""
    (tmp_path / "sql/core").mkdir(parents=True)
    (tmp_path / "extension").mkdir()
    for name in ("pg_lifecycle.control", "META.json", "adopt.sql.in"):
        (tmp_path / "extension" / name).write_text((bundle.ROOT / "extension" / name).read_text())
    (tmp_path / "sql/manifest.txt").write_text("# load order\n\ncore/schema.sql\ncore/tables.sql  # data\n")
    (tmp_path / "sql/core/schema.sql").write_text(SCHEMA)
    (tmp_path / "sql/core/tables.sql").write_text(
        "CREATE TABLE lifecycle.job (job_id bigint GENERATED ALWAYS AS IDENTITY, name text);\n"
        "SELECT pg_catalog.pg_extension_config_dump('lifecycle.job', '');\n"
        "SELECT 'a;b' AS x; -- SELECT pg_extension_config_dump\n"
    )
    return tmp_path


@pytest.mark.parametrize(
    ("text", "finding"),
    [
        (SCHEMA + "SELECT\t1;\n", "sql/core/schema.sql:2: tab"),
        (SCHEMA + "SELECT 1;\r\n", "sql/core/schema.sql:2: carriage-return"),
        (SCHEMA + "SELECT 1;", "sql/core/schema.sql:2: final-newline"),
        (SCHEMA + "SELECT 'é';\n", "sql/core/schema.sql:2: ascii"),
        (SCHEMA + "\\set x 1\n", "sql/core/schema.sql:2: psql-command"),
        (SCHEMA + "BEGIN;\n", "sql/core/schema.sql:2: transaction"),
        (SCHEMA + "-- why\ncommit;\n", "sql/core/schema.sql:3: transaction"),
        (SCHEMA + "VACUUM lifecycle.job;\n", "sql/core/schema.sql:2: top-level"),
        (SCHEMA + "CREATE UNIQUE INDEX CONCURRENTLY i ON t (c);\n", "sql/core/schema.sql:2: top-level"),
        (SCHEMA + "CREATE ROLE r;\n", "sql/core/schema.sql:2: cluster"),
        (SCHEMA + "SELECT 1\n", "sql/core/schema.sql:2: syntax: statement without a semicolon"),
        (SCHEMA + "SELECT $a$ open;\n", "sql/core/schema.sql:2: syntax: unclosed $a$"),
        (SCHEMA + "/* open /* nested */\n", "sql/core/schema.sql:2: syntax: unclosed /*"),
    ],
)
def test_a_source_that_cannot_be_built_is_refused(root: Path, text: str, finding: str) -> None:
    (root / "sql/core/schema.sql").write_bytes(text.encode())
    with pytest.raises(SourceError) as refused:
        bundle.load(root)
    assert any(line.startswith(finding) for line in str(refused.value).splitlines()), refused.value


@pytest.mark.parametrize(
    ("manifest", "finding"),
    [
        ("core/schema.sql\n", "sql/core/tables.sql:1: manifest: is not listed"),
        ("core/schema.sql\ncore/tables.sql\ncore/schema.sql\n", "manifest: sql/core/schema.sql is listed twice"),
        ("core/schema.sql\ncore/tables.sql\ncore/x.sql\n", "sql/manifest.txt:3: manifest: sql/core/x.sql does not"),
    ],
)
def test_a_manifest_that_is_not_complete_is_refused(root: Path, manifest: str, finding: str) -> None:
    (root / "sql/manifest.txt").write_text(manifest)
    with pytest.raises(SourceError, match=re.escape(finding)):
        bundle.load(root)


def test_versions_that_differ_are_refused(root: Path) -> None:
    control = root / "extension/pg_lifecycle.control"
    control.write_text(control.read_text().replace(__version__, "9.9.9"))
    with pytest.raises(SourceError) as refused:
        bundle.load(root)
    for path in ("extension/META.json", "python/pg_lifecycle/__init__.py"):
        assert f"{path}:1: version: says {__version__}, the control file 9.9.9" in str(refused.value)


def test_a_text_that_is_not_utf8_is_refused(root: Path) -> None:
    (root / "sql/core/schema.sql").write_bytes(SCHEMA.encode() + b"-- \xff\n")
    with pytest.raises(SourceError, match=r"sql/core/schema\.sql:2: encoding"):
        bundle.load(root)


def test_the_script_holds_the_sources_in_order(root: Path) -> None:
    sources = bundle.load(root)
    lines = sources.script().splitlines()
    assert lines[1] == '\\echo Use "CREATE EXTENSION pg_lifecycle" to load this file. \\quit'
    assert [line for line in lines if line.startswith("-- source")] == [
        "-- source: sql/core/schema.sql",
        "-- source: sql/core/tables.sql",
    ]
    at = next(number for number, line in enumerate(lines, 1) if "config_dump" in line)
    assert bundle.locate(sources.script(), at) == ("sql/core/tables.sql", 2)


def test_the_plain_script_leaves_out_what_only_an_extension_can_do(root: Path) -> None:
    plain = bundle.load(root).plain()
    assert "\\echo" not in plain
    assert re.findall(r".*config_dump.*", plain) == ["SELECT 'a;b' AS x; -- SELECT pg_extension_config_dump"]
    assert plain.endswith("\nCOMMIT;\n")


def test_the_adoption_names_every_member(root: Path) -> None:
    added = re.findall(r"ADD (.*);", bundle.load(root).adoption())
    assert added == ["SCHEMA lifecycle", "TABLE lifecycle.job", "SEQUENCE lifecycle.job_job_id_seq"]


@pytest.mark.parametrize(
    ("text", "identities"),
    [
        ("CREATE FUNCTION s.f() RETURNS void AS $$$$;", ["FUNCTION s.f()"]),
        (
            "CREATE FUNCTION s.f(a text DEFAULT 'x, y)', VARIADIC b numeric(3, 2)[] = '{}', OUT c s.t) AS $$ ; $$;",
            ["FUNCTION s.f(a text, VARIADIC b numeric(3, 2)[], OUT c s.t)"],
        ),
        ("CREATE PROCEDURE s.p(INOUT a int4) AS ';';", ["PROCEDURE s.p(INOUT a int4)"]),
        ("CREATE UNLOGGED TABLE s.t (a bigserial, b int);", ["TABLE s.t", "SEQUENCE s.t_a_seq"]),
        ("CREATE VIEW s.v WITH (security_invoker) AS SELECT 1;", ["VIEW s.v"]),
        ("CREATE MATERIALIZED VIEW s.m AS SELECT 1;", ["MATERIALIZED VIEW s.m"]),
        ("CREATE TYPE s.y AS (a int);", ["TYPE s.y"]),
        ("CREATE CAST (s.y[] AS jsonb) WITH FUNCTION s.f (s.y[]) AS IMPLICIT;", ["CAST (s.y[] AS jsonb)"]),
        ("CREATE UNIQUE INDEX i ON s.t (a);", []),
        ("CREATE POLICY p ON s.t;", []),
        ("COMMENT ON TABLE s.t IS 'CREATE TABLE x;';", []),
    ],
)
def test_members_of_a_statement(text: str, identities: list[str]) -> None:
    (statement,) = statements(text)
    assert [f"{member.kind} {member.identity}" for member in members(statement)] == identities


def test_an_unknown_kind_of_object_is_refused() -> None:
    (statement,) = statements("CREATE AGGREGATE s.a (int) (sfunc = f, stype = int);")
    with pytest.raises(SourceError, match="do not know how to adopt CREATE AGGREGATE"):
        members(statement)


def test_names_of_parameters() -> None:
    (statement,) = statements('CREATE FUNCTION s.f(a int, OUT "B c" text, VARIADIC d int[]) AS $$$$;')
    assert parameter_names(statement) == ["a", "B c", "d"]


def test_building_writes_what_check_misses(root: Path) -> None:
    assert [finding.rule for finding in bundle.build(root, check=True)] == ["stale"] * 3
    assert len(bundle.build(root)) == 3
    assert bundle.build(root, check=True) == []


def test_the_committed_script_is_fresh() -> None:
    assert bundle.build(check=True) == []


def test_installing_copies_control_file_and_scripts(root: Path, tmp_path: Path) -> None:
    target = tmp_path / "share/extension"
    target.mkdir(parents=True)
    config = tmp_path / "pg_config"
    config.write_text(f"#!/bin/sh\necho {target.parent}\n")
    config.chmod(0o755)
    installed = {path.name for path in bundle.install(str(config), root)}
    assert installed == {path.name for path in target.iterdir()}
    assert {"pg_lifecycle.control", f"pg_lifecycle--{__version__}.sql"} <= installed


def test_building_needs_nothing_but_python() -> None:
    """-S leaves out every installed package."""
    command = [sys.executable, "-S", "-m", "pg_lifecycle", "build", "--check"]
    environment = {**os.environ, "PYTHONPATH": str(bundle.ROOT / "python")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert "Error" not in done.stderr, done.stderr


def test_the_pg_tle_script_holds_every_version_and_path(root: Path) -> None:
    bundle.build(root)
    script = bundle.load(root).pg_tle()
    assert re.findall(r"pgtle\.(\w+)\('pg_lifecycle', '([\w.]+)'", script) == [
        ("install_extension", __version__),
        ("install_extension_version_sql", "unpackaged"),
        ("install_update_path", "unpackaged"),
        ("set_default_version", __version__),
    ]


def test_a_source_with_the_delimiter_of_pg_tle_is_refused(root: Path) -> None:
    (root / "sql/core/schema.sql").write_text(SCHEMA + "SELECT '$_pgtle_$';\n")
    with pytest.raises(SourceError, match="pg_tle"):
        bundle.load(root).pg_tle()


def test_the_pgxn_archive_is_complete_and_the_same_each_time(root: Path) -> None:
    names = [path.name for path in bundle.dist(root)]
    stem = f"pg_lifecycle-{__version__}"
    assert names == [f"{stem}.sql", f"{stem}-pg_tle.sql", f"{stem}-adopt.sql", f"{stem}.zip"]
    archive = root / "dist" / f"{stem}.zip"
    first = archive.read_bytes()
    with zipfile.ZipFile(archive) as zipped:
        meta = json.loads(zipped.read(f"{stem}/META.json"))
        assert f"{stem}/{meta['provides']['pg_lifecycle']['file']}" in zipped.namelist()
    bundle.dist(root)
    assert archive.read_bytes() == first


def test_the_pgxn_archive_builds_itself(tmp_path: Path) -> None:
    """What `make all` of the PGXN client does first, with the python of a machine that has nothing else."""
    stem = f"pg_lifecycle-{__version__}"
    archive = tmp_path / "archive.zip"
    bundle.write_pgxn(bundle.ROOT, archive, stem)
    with zipfile.ZipFile(archive) as zipped:
        zipped.extractall(tmp_path)
    command = [sys.executable, "-S", "-m", "pg_lifecycle", "build"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / stem / "python")}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_meta_json_follows_the_specification() -> None:
    meta = json.loads((bundle.ROOT / "extension/META.json").read_text())
    required = {"name", "version", "abstract", "maintainer", "license", "provides", "meta-spec"}
    assert required <= meta.keys()
    assert meta["meta-spec"] == {"version": "1.0.0", "url": "https://pgxn.org/meta/spec.txt"}
    assert re.fullmatch(r"\d+\.\d+\.\d+", meta["version"])
