"""Cut SQL into words: enough of PostgreSQL's lexical rules to look at a file without a server."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import NamedTuple

_TOKEN = re.compile(
    r"""
    (?P<space>\s+|--[^\n]*)
    | (?P<comment>/\*)
    | (?P<body>\$(?P<tag>[^\W\d]\w*|)\$.*?\$(?P=tag)\$)
    | (?P<string>(?:[eE]'(?:[^'\\]|\\.|'')*'|(?:[bBxXnN]|[uU]&)?'(?:[^']|'')*'))
    | (?P<quoted>(?:[uU]&)?"(?:[^"]|"")*")
    | (?P<word>[^\W\d][\w$]*)
    | (?P<number>\d[\w.]*|\$\d+)
    | (?P<mark>::|:=|=>|\.\.|[<>=!~@#%^&|`?*/+-]+|.)
    """,
    re.X | re.S,
)
_FENCE = re.compile(r"/\*|\*/")


class Token(NamedTuple):
    """One word, literal or mark; `kind` is word, quoted, string, body, number or mark.

    Words are in lower case, as the server reads them; a quoted identifier is without its
    quotes. It stands in the text from `start` to `end`; `line` counts from 1.
    """

    kind: str
    text: str
    line: int
    start: int
    end: int

    @property
    def is_name(self) -> bool:
        """Whether an identifier can be meant."""
        return self.kind in ("word", "quoted")


def tokens(text: str, line: int = 1) -> list[Token]:
    """Return the tokens of a text whose first line has the number `line`; comments are left out."""
    return list(_tokens(text, line))


def _tokens(text: str, line: int) -> Iterator[Token]:
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        assert match is not None
        kind = match.lastgroup or "mark"
        if kind == "tag":
            kind = "body"
        end = match.end()
        if kind == "comment":
            end = _comment_end(text, at)
        elif kind != "space":
            shown = match[0]
            if kind == "word":
                shown = shown.lower()
            elif kind == "quoted":
                shown = shown[shown.index('"') + 1 : -1].replace('""', '"')
            yield Token(kind, shown, line, at, end)
        line += text.count("\n", at, end)
        at = end


def _comment_end(text: str, at: int) -> int:
    """Return where a comment in /* */ ends; they nest."""
    depth = 0
    for fence in _FENCE.finditer(text, at):
        depth += 1 if fence[0] == "/*" else -1
        if not depth:
            return fence.end()
    return len(text)


def inside(body: Token) -> str:
    """Return what stands between the dollars of a body."""
    tag = body.text.index("$", 1) + 1
    return body.text[tag:-tag]


def statements(found: list[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of each statement, without the semicolon; `begin atomic ... end` stays together."""
    return (statement for statement, _ in _ended(found) if statement)


def texts(text: str) -> Iterator[str]:
    """Yield each statement of a script with the comments before it and without its semicolon.

    What follows the last statement is yielded only when it holds more than comments.
    """
    start = 0
    for statement, semicolon in _ended(tokens(text)):
        if statement:
            yield text[start : semicolon.start if semicolon else len(text)].strip()
        start = semicolon.end if semicolon else len(text)


def _ended(found: list[Token]) -> Iterator[tuple[list[Token], Token | None]]:
    """Yield the tokens of each statement and the semicolon that ends it."""
    current: list[Token] = []
    atomic = depth = 0
    for token in found:
        if token.kind == "word":
            if token.text == "atomic" and current and current[-1].text == "begin":
                atomic += 1
            elif atomic and token.text == "case":
                depth += 1
            elif atomic and token.text == "end":
                depth, atomic = (depth - 1, atomic) if depth else (0, atomic - 1)
        if token.text == ";" and token.kind == "mark" and not atomic:
            yield current, token
            current = []
        else:
            current.append(token)
    yield current, None
