"""Tell which lock a statement of an SQL script takes."""

from __future__ import annotations

import re

_ON = r'(?P<on>(?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+))?)'
_NAME = r'(?:"[^"]+"|[\w$]+)'
_ALTER = rf"alter table (?:if exists )?(?:only )?{_ON} "
# the first that fits
_LOCKS = (
    (rf"create (?:or replace )?(?:constraint )?trigger {_NAME} .*? on {_ON}", "SHARE ROW EXCLUSIVE"),
    (rf"drop trigger (?:if exists )?{_NAME} on {_ON}", "ACCESS EXCLUSIVE"),
    (rf"create (?:unique )?index concurrently .*? on (?:only )?{_ON}", "SHARE UPDATE EXCLUSIVE"),
    (rf"create (?:unique )?index .*? ?on (?:only )?{_ON}", "SHARE"),
    (rf"drop index concurrently (?:if exists )?{_ON}", "SHARE UPDATE EXCLUSIVE"),
    (rf"drop index (?:if exists )?{_ON}", "ACCESS EXCLUSIVE"),
    (rf"alter index {_ON} attach partition", "ACCESS EXCLUSIVE"),
    (rf"{_ALTER}validate constraint", "SHARE UPDATE EXCLUSIVE"),
    (rf"{_ALTER}alter (?:column )?{_NAME} set statistics", "SHARE UPDATE EXCLUSIVE"),
    (rf"{_ALTER}attach partition", "SHARE UPDATE EXCLUSIVE"),
    (rf"{_ALTER}add constraint {_NAME} foreign key", "SHARE ROW EXCLUSIVE"),
    (rf"{_ALTER}(?:enable|disable) (?:always |replica )?trigger", "SHARE ROW EXCLUSIVE"),
    (rf"alter table (?:if exists )?(?:only )?{_ON}", "ACCESS EXCLUSIVE"),
    (rf"(?:create or replace|alter|drop) view (?:if exists )?{_ON}", "ACCESS EXCLUSIVE"),
    (rf"(?:drop table|truncate)(?: table)? (?:if exists )?{_ON}", "ACCESS EXCLUSIVE"),
)

_FUNCTION = re.compile(r"create (?:or replace )?function\b", re.I)


def is_function(statement: str) -> bool:
    """Say whether a statement defines a function, which locks no table and no view."""
    return _FUNCTION.match(bare(statement)) is not None


def lock_of(statement: str) -> tuple[str, str] | None:
    """Return the lock that a statement about one table, view or trigger takes, and on what, as it names it.

    None for a statement that takes none stronger than ROW EXCLUSIVE, or that nobody here knows.
    """
    text = bare(statement)
    for pattern, mode in _LOCKS:
        if match := re.match(pattern, text, re.I):
            return mode, match["on"]
    return None


def bare(statement: str) -> str:
    """Return a statement without the comments before it, on one line."""
    text = re.sub(r"\A(?:\s*--[^\n]*(?:\n|\Z)|\s*/\*.*?\*/)*", "", statement, flags=re.S)
    return " ".join(text.split())
