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
