"""What to say about a name that nothing bears."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches

from trueup.errors import NotFoundError


def unknown(kind: str, name: str, known: Iterable[str], where: str) -> NotFoundError:
    """Return the error for a `kind` that does not exist: the nearest names, else `where` they are listed."""
    near = get_close_matches(name, list(known), n=3, cutoff=0.5)
    hint = f"did you mean {' or '.join(near)}?" if near else f"{where} lists them"
    return NotFoundError(f"no {kind} is called {name}; {hint}")
