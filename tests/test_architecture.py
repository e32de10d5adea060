"""The walls that import-linter cannot see. Each failure says what to do instead."""

import ast
import re
from collections import Counter
from collections.abc import Iterable
from functools import cache
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PACKAGES = (
    "process",
    "roles",
    "models",
    "workflows",
    "activities",
    "api",
    "standalone",
    "sandbox",
    "benchmarks",
    "chaos",
)
SOURCES = sorted(
    path.relative_to(ROOT)
    for path in (*ROOT.glob("*.py"), *(file for package in PACKAGES for file in (ROOT / package).rglob("*.py")))
)
TESTS = sorted(path.relative_to(ROOT) for path in (ROOT / "tests").rglob("*.py"))

MEASURING = {"benchmarks", "chaos"}  # they look at the whole product from outside, as an operator may
DRAWERS = {"utils", "util", "helpers", "helper", "common", "core", "base", "shared", "misc"}
DRAWERS |= {"service", "services", "manager", "managers"}
TEMPORAL_CLIENTS = {Path("api/gateway.py"), Path("activities/adapters/temporal.py"), Path("roles/composition.py")}
# whoever starts processes hands them their environment; settings.py reads ours
ENVIRONMENT_READERS = {Path("settings.py"), Path("worker.py"), Path("api/__main__.py")}
ENVIRONMENT_PACKAGES = {"standalone", "benchmarks"}
SQL = re.compile(
    r"\b(SELECT\b[^.;]*\bFROM|INSERT INTO|UPDATE \w+ SET|DELETE FROM|(CREATE|ALTER|DROP) (TABLE|INDEX)|pg_advisory)\b"
)
# the embedded servers' own start, and the bench's million rows, are no business of a repository
SQL_OUTSIDE_MODELS = {Path("standalone/servers/postgres.py"), Path("standalone/servers/temporal.py")}
# the kind of a moment, from a fixed set, is the word
LOGS_WITH_MADE_WORDS = {Path("standalone/supervision/progress.py")}
LONGEST_MODULE = 300
MOST_MODULES_IN_A_FOLDER = 12
WORKFLOW_IMPORTS = {"abc", "asyncio", "dataclasses", "datetime", "typing", "temporalio", "workflows", "models"}
WORKFLOW_MODELS = {"models.rules.build_lifecycle", "models.rules.build_payloads", "models.rules.run_contract"}
PURE = {"dataclasses", "datetime", "enum", "typing", "uuid", "pydantic", "models"}
ANYTHING = {"Exception", "BaseException"}
LOG_METHODS = {"debug", "info", "warning", "error", "exception", "critical"}
EVENT = re.compile(r"'[a-z][a-z0-9_]*'")


@cache
def tree_of(path: Path) -> ast.Module:
    return ast.parse((ROOT / path).read_text())


@cache
def imports_of(path: Path) -> frozenset[str]:
    """Return the dotted names of all modules that a module imports, wherever in it."""
    found: set[str] = set()
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return frozenset(found)


def names_of(path: Path) -> set[str]:
    """Return the names that a module's code uses; not what its texts and comments say."""
    nodes = list(ast.walk(tree_of(path)))
    names = {node.id for node in nodes if isinstance(node, ast.Name)}
    names |= {node.attr for node in nodes if isinstance(node, ast.Attribute)}
    names |= {node.arg for node in nodes if isinstance(node, ast.arg)}
    return names | {part for name in imports_of(path) for part in name.split(".")}


def texts_of(path: Path) -> list[str]:
    """Return the texts of a module but for docstrings; f-strings by their fixed parts."""
    tree = tree_of(path)
    docstrings = {
        id(node.body[0].value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef)
        and node.body
        and isinstance(node.body[0], ast.Expr)
    }
    constants = [node for node in ast.walk(tree) if isinstance(node, ast.Constant) and id(node) not in docstrings]
    return [node.value for node in constants if isinstance(node.value, str)]


def modules_of_models(imported: Iterable[str]) -> set[str]:
    """Return which of these dotted names are modules of `models/`, not names within one."""
    return {name for name in imported if name.startswith("models.") and (ROOT / as_path(name)).exists()}


def as_path(module: str) -> Path:
    return Path(f"{module.replace('.', '/')}.py")


def within(package: str) -> list[Path]:
    return [path for path in SOURCES if path.parts[0] == package]


def handlers_that_hide(path: Path) -> list[int]:
    """Return the lines where any error at all is caught and nothing is done."""
    lines = []
    for node in ast.walk(tree_of(path)):
        if isinstance(node, ast.ExceptHandler):
            caught = ast.unparse(node.type) if node.type is not None else "Exception"
            if caught in ANYTHING and all(isinstance(line, ast.Pass) for line in node.body):
                lines.append(node.lineno)
        if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("suppress"):
            suppressed = {ast.unparse(argument) for argument in node.args}
            lines += [node.lineno] if suppressed & ANYTHING else []
    return lines


def log_calls_of(path: Path) -> list[ast.Call]:
    calls = [node for node in ast.walk(tree_of(path)) if isinstance(node, ast.Call)]
    methods = [call for call in calls if isinstance(call.func, ast.Attribute) and call.func.attr in LOG_METHODS]
    return [call for call in methods if ast.unparse(call.func).split(".")[-2].removeprefix("_") == "log"]


def is_event_with_fields(call: ast.Call) -> bool:
    """Say whether a log call has a fixed word, or one of two, and all else as data."""
    word = call.args[0] if len(call.args) == 1 else None
    words = [word.body, word.orelse] if isinstance(word, ast.IfExp) else [word]
    return all(isinstance(each, ast.Constant) and EVENT.fullmatch(repr(each.value)) for each in words)


def test_no_module_is_a_drawer() -> None:
    drawers = [path for path in (*SOURCES, *TESTS) if DRAWERS & set(path.with_suffix("").parts)]
    assert not drawers, "it holds everything and says nothing: name the noun instead"


def test_only_the_gateway_and_the_adapter_are_temporal_clients() -> None:
    others = [path for path in SOURCES if path not in TEMPORAL_CLIENTS and path.parts[0] not in MEASURING]
    clients = [path for path in others if any(name.startswith("temporalio.client") for name in imports_of(path))]
    assert not clients, "speak to Temporal through the port BuildRuns"


def test_only_models_hold_sql() -> None:
    others = [path for path in SOURCES if path.parts[0] not in {"models", *MEASURING}]
    with_sql = {path for path in others if any(SQL.search(text) for text in texts_of(path))}
    assert with_sql == SQL_OUTSIDE_MODELS, "put it into the repository of its table family"


def test_only_composition_roots_read_the_environment() -> None:
    others = [path for path in SOURCES if path not in ENVIRONMENT_READERS]
    others = [path for path in others if path.parts[0] not in ENVIRONMENT_PACKAGES]
    readers = [path for path in others if names_of(path) & {"environ", "getenv", "environb"}]
    assert not readers, "take a value of Settings instead"


def test_tests_write_fakes_and_patch_nothing() -> None:
    patching = [path for path in TESTS if names_of(path) & {"mock", "mocker", "monkeypatch", "MonkeyPatch"}]
    assert not patching, "write a fake of the port instead"


def test_no_test_is_skipped() -> None:
    skipping = [path for path in TESTS if names_of(path) & {"skip", "skipif", "importorskip", "xfail"}]
    assert not skipping, "a test that does not run tells nothing: make what it needs, or take it away"


def test_no_error_is_swallowed_unseen() -> None:
    hiding = {path: lines for path in (*SOURCES, *TESTS) if (lines := handlers_that_hide(path))}
    assert not hiding, "name the errors that are expected; anything else is a defect and stays loud"


def test_workflows_know_payloads_rules_and_temporal_only() -> None:
    imported = {name for path in within("workflows") for name in imports_of(path)}
    assert {name.split(".")[0] for name in imported} <= WORKFLOW_IMPORTS
    assert modules_of_models(imported) == WORKFLOW_MODELS, (
        "the sandbox loads it for every run: take a value type instead"
    )


def test_what_workflows_load_is_light_and_pure() -> None:
    seen: set[str] = set()
    wanted = set(WORKFLOW_MODELS)
    while wanted:  # and what that imports in turn
        module = wanted.pop()
        seen.add(module)
        imported = imports_of(as_path(module))
        assert {name.split(".")[0] for name in imported} <= PURE, module
        wanted |= modules_of_models(imported) - seen


def test_a_module_can_be_read_in_one_sitting() -> None:
    lengths = {path.as_posix(): len((ROOT / path).read_text().splitlines()) for path in (*SOURCES, *TESTS)}
    longer = {path: lines for path, lines in lengths.items() if lines > LONGEST_MODULE}
    assert not longer, "a habit, not a law: is there a second noun in it?"


def test_a_folder_can_be_seen_at_one_glance() -> None:
    folders = Counter(path.parent.as_posix() for path in (*SOURCES, *TESTS) if path.name != "__init__.py")
    fuller = {folder: modules for folder, modules in folders.items() if modules > MOST_MODULES_IN_A_FOLDER}
    assert not fuller, "a habit, not a law: which of these modules share a noun of their own?"


def test_no_modules_import_each_other_in_a_circle() -> None:
    modules = {".".join(path.with_suffix("").parts).removesuffix(".__init__"): path for path in SOURCES}
    below = {module: {name for name in imports_of(path) if name in modules} for module, path in modules.items()}
    try:
        TopologicalSorter(below).prepare()
    except CycleError as circle:
        pytest.fail(f"{circle.args[1]}: which of them says what the others need?")


def test_the_models_package_itself_is_empty() -> None:
    assert not (ROOT / "models" / "__init__.py").read_text().strip()


def test_log_lines_are_a_fixed_word_and_data() -> None:
    logging = [path for path in SOURCES if path not in LOGS_WITH_MADE_WORDS]
    odd = [f"{path}:{call.lineno}" for path in logging for call in log_calls_of(path) if not is_event_with_fields(call)]
    assert not odd, 'write log.info("engine_started", extra={"engine": name})'


def test_nothing_is_left_for_later_without_an_issue() -> None:
    left = [path for path in SOURCES if re.search(r"\b(?:TODO|FIXME|XXX)\b", (ROOT / path).read_text())]
    assert not left
