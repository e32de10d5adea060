"""What is locked: all in one file, and in another one the part that runs. `make lock` writes both."""

import ast
import re
import sys
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

ROOT = Path(__file__).parents[2]
ROOMS = ("process", "roles", "models", "workflows", "activities", "api", "standalone", "sandbox")


@cache
def locked(name: str) -> dict[str, str]:
    """Return what is locked of each package: version, marker and hashes, without who wants it."""
    text = re.sub(r"^ *#.*\n", "", (ROOT / name).read_text(), flags=re.MULTILINE)
    return {entry.partition("==")[0]: entry for entry in re.findall(r"^\S[^\n]*(?:\n +[^\n]+)*", text, re.MULTILINE)}


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def imported(folder: str) -> set[str]:
    trees = [ast.parse(path.read_text()) for path in (ROOT / folder).rglob("*.py")]
    nodes = [node for tree in trees for node in ast.walk(tree)]
    names = {alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names}
    names |= {node.module for node in nodes if isinstance(node, ast.ImportFrom) and node.module}
    return {name.partition(".")[0] for name in names} - set(sys.stdlib_module_names)


def test_what_runs_is_locked_as_everything_is() -> None:
    part, whole = locked("requirements.run.lock"), locked("requirements.lock")
    assert part
    assert part.items() <= whole.items(), "run `make lock`"


def test_what_the_project_depends_on_is_locked_for_what_runs() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {normal(re.split(r"[^\w.-]", dependency)[0]) for dependency in wanted}
    assert names <= locked("requirements.run.lock").keys(), "run `make lock`"


def test_no_lock_names_a_host() -> None:
    for name in ("requirements.lock", "requirements.run.lock"):
        assert "://" not in (ROOT / name).read_text()


def test_the_product_imports_nothing_that_only_its_writers_have() -> None:
    providers = packages_distributions()
    part = {re.sub(r"\[.*", "", name) for name in locked("requirements.run.lock")}
    for room in ROOMS:
        foreign = {name for name in imported(room) if not (ROOT / name).exists() and not (ROOT / f"{name}.py").exists()}
        assert foreign, "each room uses some package"
        tools = {name for name in foreign if not {normal(each) for each in providers.get(name, [])} & part}
        assert not tools, f"{room} imports what only pyproject's group dev brings"
