"""The environment that the Makefile makes: which way is taken on which machine."""

import importlib.util
from types import ModuleType

import pytest

from pg_lifecycle import bundle


@pytest.fixture
def maker() -> ModuleType:
    spec = importlib.util.spec_from_file_location("make_venv", bundle.ROOT / "python/make_venv.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def commands(maker: ModuleType, monkeypatch: pytest.MonkeyPatch, *modules: str) -> list[list[str]]:
    """The commands that it runs on a machine whose python has these modules, and no uv."""
    ran: list[list[str]] = []
    monkeypatch.setattr(maker, "has", lambda module: module in modules)
    monkeypatch.setattr(maker, "run", lambda command: ran.append(command) or True)
    monkeypatch.setattr(maker.shutil, "which", lambda _: None)
    assert maker.main() == 0
    return ran


def test_venv_is_the_usual_way(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = commands(maker, monkeypatch, "ensurepip", "virtualenv", "pip")
    assert first[1:3] == ["-m", "venv"]
    assert last[0].endswith(".venv/bin/python")
    assert last[-1].endswith("python[dev]")


def test_virtualenv_helps_where_debian_left_ensurepip_out(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    assert commands(maker, monkeypatch, "virtualenv")[0][1:3] == ["-m", "virtualenv"]


def test_a_pip_outside_can_fill_an_environment(maker: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    first, second, _ = commands(maker, monkeypatch, "pip")
    assert "--without-pip" in first
    assert second[1:4] == ["-m", "pip", "--python"]


def test_it_says_what_to_install(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(maker, "has", lambda _: False)
    monkeypatch.setattr(maker.shutil, "which", lambda _: None)
    assert maker.main() == 1
    assert "apt-get install python3-venv" in capsys.readouterr().out


def test_it_says_that_python_is_too_old(
    maker: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(maker, "OLDEST", (99, 0))
    assert maker.main() == 1
    assert "3.11 or newer is needed" in capsys.readouterr().out
