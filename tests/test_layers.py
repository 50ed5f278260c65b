"""Who may import whom: an arrow upward fails here."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

PACKAGE = Path(__file__).resolve().parents[1] / "src" / "trueup"
# a module may import modules of its own line and of the lines above it
LAYERS = (
    {"errors"},
    {"model", "durations", "names", "scripts", "signals", "tokens"},
    {"operating", "operating.config", "operating.logfile", "operating.logs"},
    {"operating.channels"},
    {"packs", "sqlrules", "store", "server", "incident"},
    {"exposition"},
    {"calling", "fitting", "rendering", "locks", "snapshots", "tracking", "ledger", "dependents", "effects"},
    {"booking", "notices", "provider"},
    {"deploy", "revisions"},
    {"backfilling"},
    {"migration"},
    {"evaluation"},
    {"changes"},
    {
        "alerts",
        "circuit",
        "contracts",
        "events",
        "explaining",
        "guards",
        "inspection",
        "reconciling",
        "retention",
        "review",
        "operating.top",
        "scaffold",
    },
    {"adoption", "bodies", "enforcement", "repairing", "uninstalling"},
    {"linting", "operating.notify", "operating.metrics"},
    {"operating.charts", "operating.report", "operating.report_pages"},
    {"operating.schedule"},
    {"operating.work"},
    {"operating.runner"},
    {"demonstration"},
    {"web", "web.model", "web.pool"},
    {"web.context", "web.users", "web.limits"},
    {"web.forms", "web.words"},
    {"web.access", "web.alerts", "web.overview", "web.queue"},
    {"web.app"},
    {"web.serving"},
    {"cli_options"},
    {
        "cli_circuit",
        "cli_config",
        "cli_events",
        "cli_explain",
        "cli_lint",
        "cli_listen",
        "cli_metrics",
        "cli_notify",
        "cli_reconcile",
        "cli_report",
        "cli_review",
        "cli_run",
        "cli_top",
        "cli_uninstall",
        "cli_web",
    },
    {"cli", "__init__", "__main__"},
)
ALONE = {
    "psycopg": {"store", "calling"},
    "alembic": {"migration", "revisions"},
    "sqlalchemy": {"migration"},
    "click": {
        "cli",
        "cli_circuit",
        "cli_config",
        "cli_events",
        "cli_explain",
        "cli_lint",
        "cli_listen",
        "cli_metrics",
        "cli_notify",
        "cli_options",
        "cli_reconcile",
        "cli_report",
        "cli_review",
        "cli_run",
        "cli_top",
        "cli_uninstall",
        "cli_web",
    },
    "httpx": {"provider", "operating.channels"},
    "apprise": {"operating.channels"},
    "cronsim": {"operating.schedule"},
    "prometheus_client": {"operating.metrics"},
    "argon2": {"web.users"},
    "cheroot": {"web.serving"},
}


def dotted(path: Path) -> str:
    """Return the name below trueup: operating.config, and operating for its __init__."""
    name = ".".join(path.relative_to(PACKAGE).with_suffix("").parts)
    return name if name == "__init__" else name.removesuffix(".__init__")


MODULES = sorted(dotted(path) for path in PACKAGE.rglob("*.py") if "migrations" not in path.parts)


def parsed(module: str) -> ast.Module:
    """Return the syntax tree of a module."""
    path = PACKAGE / Path(*module.split("."))
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text())


def imports(module: str) -> list[tuple[str, bool]]:
    """Return what a module imports, and whether it does so for type checking only."""
    found: list[tuple[str, bool]] = []

    def visit(node: ast.AST, typing_only: bool) -> None:
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            typing_only = True
        if isinstance(node, ast.Import):
            found.extend((alias.name, typing_only) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            found.append((base, typing_only))
            found.extend(
                (f"{base}.{alias.name}", typing_only)
                for alias in node.names
                if f"{base}.{alias.name}".removeprefix("trueup.") in MODULES
            )
        for child in ast.iter_child_nodes(node):
            visit(child, typing_only)

    visit(parsed(module), False)
    return found


def level(module: str) -> int:
    return next(number for number, layer in enumerate(LAYERS) if module in layer)


def test_every_module_has_its_layer() -> None:
    assert set(MODULES) <= set().union(*LAYERS)


@pytest.mark.parametrize("module", MODULES)
def test_no_arrow_points_upward(module: str) -> None:
    for name, _ in imports(module):
        target = name.removeprefix("trueup.")
        if name.startswith("trueup.") and target in MODULES:
            assert level(target) <= level(module), f"{module} imports {target}"


@pytest.mark.parametrize("module", MODULES)
def test_libraries_stay_behind_their_module(module: str) -> None:
    for name, _ in imports(module):
        allowed = ALONE.get(name.split(".")[0])
        assert allowed is None or module in allowed, f"{module} imports {name}"


def test_only_the_command_line_prints() -> None:
    for module in MODULES:
        if not module.startswith("cli"):
            calls = [node for node in ast.walk(parsed(module)) if isinstance(node, ast.Call)]
            assert not any(isinstance(call.func, ast.Name) and call.func.id == "print" for call in calls), (
                module
            )
