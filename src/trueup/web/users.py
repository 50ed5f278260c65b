"""Who may use the console: passwords and the administration of users."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cache

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from trueup.errors import NotFoundError, UsageError
from trueup.store import refuse_foreign, session
from trueup.web.model import User

ROLES = ("reviewer", "admin", "viewer")
LANGUAGES = ("en", "de")
SHORTEST = 12
LONGEST = 1000

_hasher = PasswordHasher()


def hashed(password: str) -> str:
    """Return the argon2id hash of a password. Raises UsageError for one that is too short or too long."""
    if not SHORTEST <= len(password) <= LONGEST:
        raise UsageError(f"a password has {SHORTEST} to {LONGEST} characters")
    return _hasher.hash(password)


def verified(password_hash: str | None, password: str) -> bool:
    """Whether a password is the one; takes as long when there is no hash to compare with."""
    try:
        _hasher.verify(password_hash or _nobodys(), password[:LONGEST])
    except (VerificationError, InvalidHashError):
        return False
    return password_hash is not None


@cache
def _nobodys() -> str:
    return _hasher.hash("the password of nobody")


def add(
    name: str,
    password: str | None,
    role: str,
    companies: Sequence[str] | None,
    language: str | None,
    *,
    database: str | None = None,
) -> None:
    """Add a user; without a password only a proxy signs them in. `companies` None: all of them.

    Raises UsageError for a name that exists, capitals or not.
    """
    name = name.strip()
    if not name or len(name) > 100:
        raise UsageError("the name of a user has 1 to 100 characters")
    with session(database, "web user add") as connection:
        refuse_foreign(connection)
        done = connection.values(
            "web_add_user",
            name=name,
            password_hash=None if password is None else hashed(password),
            role=role,
            companies=None if companies is None else sorted(set(companies)),
            language=language,
        )
    if not done:
        raise UsageError(f"there is a user {name} already; `trueup web user list` shows them")


def list_users(*, database: str | None = None) -> list[User]:
    """Return all users by name."""
    with session(database, "web user list") as connection:
        refuse_foreign(connection)
        return connection.rows("web_users", User)


def set_password(name: str, password: str, *, database: str | None = None) -> None:
    """Give a user a new password; every session of theirs ends. Raises NotFoundError."""
    _change(database, name, "password set", password_hash=hashed(password))


def set_disabled(name: str, disabled: bool, *, database: str | None = None) -> None:
    """Shut a user out, sessions included, or let them in again. Raises NotFoundError."""
    _change(database, name, "user disabled" if disabled else "user enabled", disabled=disabled)


def set_companies(name: str, companies: Sequence[str] | None, *, database: str | None = None) -> None:
    """Say which companies a user may see, from their next request on; None: all. Raises NotFoundError."""
    _change(
        database,
        name,
        "companies changed",
        companies=None if companies is None else sorted(set(companies)),
        all_companies=companies is None,
    )


def set_role(name: str, role: str, *, database: str | None = None) -> None:
    """Give a user another role, from their next request on. Raises NotFoundError."""
    _change(database, name, "role changed", role=role)


def _change(database: str | None, name: str, action: str, **changes: object) -> None:
    unchanged = {
        "password_hash": None,
        "companies": None,
        "all_companies": False,
        "role": None,
        "disabled": None,
    }
    with session(database, "web user") as connection:
        refuse_foreign(connection)
        done = connection.values("web_change_user", name=name, action=action, **{**unchanged, **changes})
    if not done:
        raise NotFoundError(f"there is no user {name}; `trueup web user list` shows them")
