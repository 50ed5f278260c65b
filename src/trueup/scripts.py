"""Tell the statements of an SQL script apart, as psql does."""

from __future__ import annotations

import re
from collections.abc import Iterator

_TOKEN = re.compile(
    r"""
      --[^\n]*
    | /\*                                     # nested, see _comment_end
    | [eE]'(?:[^'\\]|\\.|'')*'                # before the plain one: a backslash escapes in it
    | '(?:[^']|'')*'
    | "(?:[^"]|"")*"
    | (?<![\w$])\$(?P<tag>(?:[A-Za-z_]\w*)?)\$.*?\$(?P=tag)\$
    | [A-Za-z_][\w$]*
    | ;
    """,
    re.S | re.X,
)
_HAS_BODY = re.compile(r"create\s+(or\s+replace\s+)?(function|procedure)\b", re.I)

_ON = r'(?P<on>(?:"[^"]+"|[\w$]+)(?:\.(?:"[^"]+"|[\w$]+))?)'
_NAME = r'(?:"[^"]+"|[\w$]+)'
_ALTER = rf"alter table (?:if exists )?(?:only )?{_ON} "
# the first that fits
_LOCKS = [
    (re.compile(pattern, re.I), mode)
    for pattern, mode in (
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
]


def statements(text: str) -> Iterator[str]:
    """Yield the statements of a script, each with the comments before it and without its semicolon.

    What follows the last statement is yielded only when it holds more than comments.
    """
    start = position = 0
    words = ""
    # open begin ... end and case ... end in a body in SQL, whose semicolons end no statement of the script
    depth = 0
    while match := _TOKEN.search(text, position):
        position = match.end()
        token = match[0]
        if token == "/*":
            position = _comment_end(text, match.start())
        elif token == ";" and not depth:
            if words:
                yield text[start : match.start()].strip()
            start, words = position, ""
        elif not token.startswith("--"):
            lowered = token.lower() if token[0].isalpha() else "x"
            words = f"{words} {lowered}" if len(words) < 60 else words
            if _HAS_BODY.match(words.strip()):
                if lowered == "begin" or (lowered == "case" and depth):
                    depth += 1
                elif lowered == "end" and depth:
                    depth -= 1
    if words:
        yield text[start:].strip()


def lock_of(statement: str) -> tuple[str, str] | None:
    """Return the lock that a statement about one table, view or trigger takes, and on what, as it names it.

    None for a statement that takes none stronger than ROW EXCLUSIVE, or that nobody here knows.
    """
    text = bare(statement)
    for pattern, mode in _LOCKS:
        if match := pattern.match(text):
            return mode, match["on"]
    return None


def bare(statement: str) -> str:
    """Return a statement without the comments before it, on one line."""
    text = re.sub(r"\A(?:\s*--[^\n]*(?:\n|\Z)|\s*/\*.*?\*/)*", "", statement, flags=re.S)
    return " ".join(text.split())


def _comment_end(text: str, start: int) -> int:
    depth, position = 0, start
    for match in re.compile(r"/\*|\*/").finditer(text, start):
        depth += 1 if match[0] == "/*" else -1
        position = match.end()
        if not depth:
            return position
    return len(text)
