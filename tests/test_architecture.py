"""The shape of the program: layers, owners of packages, types, style, light imports, tables that resolve."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys
from pathlib import Path

import pytest

import vsearch
from vsearch import errors
from vsearch.registry import Registry

ROOT = Path(__file__).parents[1]
HEAVY = ("torch", "faiss", "av", "decord", "sqlalchemy", "alembic", "numpy", "PIL", "jinja2", "sklearn", "rich")
TORCHLESS = ("vsearch.library", "vsearch.db.store", "vsearch.render.previews", "vsearch.search", "vsearch.models")


def run_tool(*command: str) -> str:
    """What a tool says when it fails; empty when it is content."""
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=ROOT, capture_output=True, text=True, timeout=280, check=False
    )
    return "" if done.returncode == 0 else f"{done.stdout}\n{done.stderr}"


def loaded_after(statement: str, packages: tuple[str, ...]) -> list[str]:
    """Which of `packages` a fresh interpreter has loaded after a statement."""
    code = f"import sys; {statement}; print([name for name in {packages} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    loaded: list[str] = eval(done.stdout.splitlines()[-1], {"__builtins__": {}})
    return loaded


def registries() -> list[tuple[str, str, str, str]]:
    """(module, kind, name, target) of each entry of each table in a package's __init__."""
    found = []
    for package in pkgutil.walk_packages(vsearch.__path__, "vsearch."):
        if package.ispkg and ".migrations" not in package.name:
            module = importlib.import_module(package.name)
            tables = [value for value in vars(module).values() if isinstance(value, Registry)]
            found += [
                (package.name, table.kind, name, table.target(name)) for table in tables for name in table.names()
            ]
    return found


def test_layers_and_owners_of_packages_are_respected() -> None:
    command = [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout[done.stdout.find("Contracts") :] + done.stderr


def test_types_are_right() -> None:
    complaint = run_tool("mypy")
    assert not complaint, complaint


def test_the_code_is_clean() -> None:
    complaint = run_tool("ruff", "check", ".")
    assert not complaint, complaint


def test_the_code_is_formatted() -> None:
    complaint = run_tool("ruff", "format", "--check", ".")
    assert not complaint, complaint


LIGHT = ("vsearch", "vsearch.cli.app", "vsearch.errors", "vsearch.config", "vsearch.request", "vsearch.text")


@pytest.mark.parametrize("module", LIGHT)
def test_light_modules_load_nothing_heavy(module: str) -> None:
    assert loaded_after(f"import {module}", HEAVY) == []


@pytest.mark.parametrize("module", TORCHLESS)
def test_looking_at_a_library_does_not_load_torch(module: str) -> None:
    assert loaded_after(f"import {module}", ("torch", "faiss")) == []


def test_public_names_resolve() -> None:
    for name in vsearch.__all__:
        assert getattr(vsearch, name) is not None
    with pytest.raises(AttributeError, match="no attribute 'nonsense'"):
        _ = vsearch.nonsense


def test_every_table_entry_resolves_inside_its_own_package() -> None:
    entries = [entry for entry in registries() if entry[3].startswith("vsearch.")]
    assert {kind for _, kind, _, _ in entries} >= {"reader", "codec", "head"}
    for package, kind, name, target in entries:
        module, attribute = target.split(":")
        assert module.startswith(f"{package}."), f"{kind} {name!r} lives in {module}"
        assert hasattr(importlib.import_module(module), attribute), f"{kind} {name!r}: {target} does not exist"


def test_error_codes_are_unique_and_exit_statuses_are_known() -> None:
    kinds = [kind for kind in vars(errors).values() if isinstance(kind, type) and issubclass(kind, Exception)]
    codes = [kind.code for kind in kinds]
    assert len(set(codes)) == len(codes)
    assert {kind.exit_status for kind in kinds} <= {1, 2, 130}
    assert all("code" in vars(kind) for kind in kinds)


def test_every_package_of_the_program_is_in_the_wheel() -> None:
    scripts = {ROOT / "vsearch" / "db" / "migrations" / name for name in ("", "versions")}  # package data, for Alembic
    packages = {path.parent for path in (ROOT / "vsearch").rglob("*.py")} - scripts
    assert [str(package) for package in packages if not (package / "__init__.py").exists()] == []


def test_only_the_borders_swallow_every_exception() -> None:
    borders = ("cli/context.py", "indexer/run.py", "indexer/encoding.py")  # the last hands it to who asked
    allowed = {ROOT / "vsearch" / border for border in borders}
    excused = {path for path in (ROOT / "vsearch").rglob("*.py") if "noqa: BLE001" in path.read_text("utf-8")}
    assert excused <= allowed
