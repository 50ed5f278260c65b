"""trueup keeps the facts that a PostgreSQL application stores more than once in agreement.

Each command of the command line is a function of the same name here, with typed
results; `review`, `alerts`, `booking`, `circuit`, `events`, `guards`, `contracts` and `server` are modules of
functions and classes.
Everything is imported when it is first used.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from trueup import errors
    from trueup.adoption import adopt
    from trueup.changes import check_changed
    from trueup.demonstration import demo
    from trueup.enforcement import enforce, revert
    from trueup.evaluation import check
    from trueup.explaining import explain
    from trueup.inspection import catalog, history, status, verify
    from trueup.linting import lint
    from trueup.migration import migrate, rollback
    from trueup.reconciling import reconcile_api, reconcile_file
    from trueup.repairing import journal, repair, undo
    from trueup.retention import prune
    from trueup.scaffold import init
    from trueup.uninstalling import uninstall

_FUNCTIONS = {
    "adopt": "adoption",
    "catalog": "inspection",
    "check": "evaluation",
    "check_changed": "changes",
    "demo": "demonstration",
    "enforce": "enforcement",
    "revert": "enforcement",
    "explain": "explaining",
    "history": "inspection",
    "init": "scaffold",
    "journal": "repairing",
    "lint": "linting",
    "migrate": "migration",
    "prune": "retention",
    "reconcile_api": "reconciling",
    "reconcile_file": "reconciling",
    "repair": "repairing",
    "rollback": "migration",
    "status": "inspection",
    "undo": "repairing",
    "uninstall": "uninstalling",
    "verify": "inspection",
}
_MODULES = (
    "alerts",
    "booking",
    "circuit",
    "contracts",
    "errors",
    "events",
    "guards",
    "model",
    "notices",
    "review",
    "server",
)

__all__ = [
    "__version__",
    "adopt",
    "catalog",
    "check",
    "check_changed",
    "demo",
    "enforce",
    "errors",
    "explain",
    "history",
    "init",
    "journal",
    "lint",
    "migrate",
    "prune",
    "reconcile_api",
    "reconcile_file",
    "repair",
    "revert",
    "rollback",
    "status",
    "undo",
    "uninstall",
    "verify",
]


def __getattr__(name: str) -> Any:
    if name in _FUNCTIONS:
        return getattr(import_module(f"trueup.{_FUNCTIONS[name]}"), name)
    if name in _MODULES:
        return import_module(f"trueup.{name}")
    raise AttributeError(f"module 'trueup' has no attribute {name!r}")
