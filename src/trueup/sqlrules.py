"""What the words of a file tell without a server: its functions, bare names, and where it locks."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from dataclasses import dataclass

from trueup.tokens import Token, inside, statements, tokens

# words that stand where a table's name could, and are none
_NO_TABLE = ("select", "lateral", "only", "unnest", "values", "rows", "table", "strict")
_BEFORE_NAME = ("only", "lateral", "if", "not", "exists", "concurrently")
# functions with a `from` of their own
_WITH_FROM = ("extract", "substring", "trim", "overlay", "position")
_ENDS_FROM = {
    *("where", "group", "order", "having", "limit", "offset", "union", "except", "intersect", "window"),
    *("for", "fetch", "returning", "set", "on", "loop", "select", "using", "when"),
}
_KINDS = ("table", "view", "function", "procedure", "sequence", "type")
_GRANTED = (*_KINDS, "all", "schema", "routine", "database", "tables")
# what comes before a word that looks like the call of a function and is none
_NO_CALL = (".", "as", "with", "recursive", "into", "function", "join", "from", "trigger")
_BARE_CLASS = re.compile(r"'(?!pg_)\w+'")


@dataclass(frozen=True)
class Function:
    """A function as its statement says it."""

    name: str
    line: int
    parameters: tuple[Token, ...]
    rest: tuple[Token, ...]

    @property
    def body(self) -> Token | None:
        return next((token for token in self.rest if token.kind == "body"), None)

    def has(self, *words: str) -> bool:
        """Say whether these words stand side by side in what follows the parameters."""
        texts = [token.text for token in self.rest if token.kind == "word"]
        return any(tuple(texts[at : at + len(words)]) == words for at in range(len(texts)))


def functions(text: str) -> Iterator[Function]:
    """Yield the functions and procedures that a file creates."""
    for statement in statements(tokens(text)):
        words = [token.text for token in statement]
        at = 3 if words[:3] == ["create", "or", "replace"] else 1
        if (
            words[0] != "create"
            or words[at : at + 1] not in (["function"], ["procedure"])
            or "(" not in words
        ):
            continue
        opens = words.index("(")
        closes = _closing(statement, opens)
        yield Function(
            "".join(words[at + 1 : opens]),
            statement[0].line,
            tuple(statement[opens + 1 : closes]),
            tuple(statement[closes + 1 :]),
        )


def _closing(found: list[Token], at: int) -> int:
    """Return where the parenthesis that opens at `at` closes."""
    depth = 0
    for place in range(at, len(found)):
        depth += {"(": 1, ")": -1}.get(found[place].text, 0) if found[place].kind == "mark" else 0
        if not depth:
            return place
    return len(found)


def misnamed(function: Function) -> Iterator[tuple[int, str]]:
    """Yield the parameters and variables that do not say what they are, each as line and message."""
    depth, begins = 0, True
    for token in function.parameters:
        if token.kind == "mark":
            depth += {"(": 1, "[": 1, ")": -1, "]": -1}.get(token.text, 0)
            begins = token.text == "," and not depth
        elif begins and token.text == "out":
            begins = False  # a column of the result
        elif begins and token.text not in ("in", "inout", "variadic"):
            is_named = token.text.startswith("p_") or token.kind != "word"
            alone = function.parameters[function.parameters.index(token) + 1 :][:1]
            if not is_named and alone and alone[0].is_name:
                yield token.line, f"parameter {token.text} of {function.name} does not begin with p_"
            begins = False
    if function.body is None or not function.has("language", "plpgsql"):
        return
    declaring = begins = False
    found = tokens(inside(function.body), function.body.line)
    for token in found:
        if token.text == "declare":
            declaring = begins = True
        elif token.text == "begin":
            declaring = False
        elif token.text == ";":
            begins = True
        elif declaring and begins:
            # a letter may be what a formula calls it, or the row of a loop
            if not token.text.startswith("v_") and len(token.text) > 2:
                yield token.line, f"variable {token.text} of {function.name} does not begin with v_"
            begins = False


def parts(found: list[Token]) -> Iterator[list[Token]]:
    """Yield the tokens of a file and of each body in it, each as a text of its own."""
    yield found
    for token in found:
        if token.kind == "body":
            yield from parts(tokens(inside(token), token.line))


def given_names(found: list[list[Token]]) -> frozenset[str]:
    """Return the names that a file gives: common table expressions, transition and temporary tables."""
    names = set()
    for part in found:
        texts = [token.text for token in part]
        for at, token in enumerate(part):
            if not token.is_name:
                continue
            before = texts[at - 1] if at else ""
            after = at + 1
            if texts[after : after + 1] == ["("]:
                after = _closing(part, after) + 1
            rest = texts[after : after + 4]
            if before in ("with", "recursive", ",") and rest[:1] == ["as"] and "(" in rest[1:4]:
                names.add(token.text)
            if before in ("as", "table") and texts[max(at - 3, 0) : at][:2] in (
                ["new", "table"],
                ["old", "table"],
            ):
                names.add(token.text)
            if before == "table" and texts[at - 2 : at - 1] in (["temporary"], ["temp"]):
                names.add(token.text)
    return frozenset(names)


def unqualified(
    part: list[Token], given: Collection[str], known: Collection[str]
) -> Iterator[tuple[Token, str]]:
    """Yield the names without a schema, each with what it is the name of.

    `given` are names that the file itself gives, `known` the functions of the pack.
    """
    for statement in statements(part):
        yield from _bare_names(statement, given, known)


def _bare_names(
    statement: list[Token], given: Collection[str], known: Collection[str]
) -> Iterator[tuple[Token, str]]:
    texts = [token.text for token in statement]
    # where parentheses opened, and whether a comma in there goes on with a list of tables
    opened: list[int] = []
    lists = [False]
    for at, token in enumerate(statement):
        before, after = (texts[at - 1] if at else ""), (texts[at + 1] if at + 1 < len(texts) else "")
        what = None
        if token.kind == "mark":
            if token.text == "(":
                opened.append(at)
                lists.append(False)
            elif token.text == ")" and opened:
                opened.pop()
                lists.pop()
            elif token.text == "," and lists[-1]:
                what = "table"
        elif token.kind == "string":
            if texts[at + 1 : at + 3] == ["::", "regclass"] and _BARE_CLASS.fullmatch(token.text):
                yield token, "table"
        elif token.is_name:
            is_call = after == "(" and token.text in known and before not in _NO_CALL
            if is_call and not (before == "," and token.text in given):
                yield token, "function"
            if token.kind == "word" and token.text in _ENDS_FROM:
                lists[-1] = False
            if token.kind == "word":
                what = _introduced(texts, at, opened)
                if what and token.text == "from":
                    lists[-1] = True
        if what and (bare := _bare(statement, at + 1, given)):
            yield bare, what


def _introduced(texts: list[str], at: int, opened: list[int]) -> str | None:
    """Return of what the next word is the name, when the word at `at` says so."""
    word, before, first = texts[at], (texts[at - 1] if at else ""), texts[0]
    after = texts[at + 1] if at + 1 < len(texts) else ""
    if first in ("grant", "revoke"):
        return "object" if word == "on" and after not in _GRANTED else None
    if word in ("from", "join"):
        is_distinct = before == "distinct" and at > 1 and texts[at - 2] in ("is", "not")
        is_inside = bool(opened) and opened[-1] > 0 and texts[opened[-1] - 1] in _WITH_FROM
        return None if is_distinct or is_inside else "table"
    if word == "into":
        return "table" if before in ("insert", "merge") else None
    if word == "references":
        return "table"
    if word == "update":
        # that of a lock, of a trigger's event, of a foreign key, of `on conflict`
        is_other = before in ("for", "key", "or", "after", "before", "do", "on", "of", ",", "no")
        return None if is_other or after in ("set", "of", "on", "or", "cascade", "") else "table"
    if word == "on" and first == "create" and {"trigger", "index"} & set(texts[:5]):
        return None if "on" in texts[:at] or "(" in texts[:at] else "table"
    is_definition = first in ("create", "alter", "drop", "comment", "truncate") and at < 8
    if (
        is_definition
        and word in _KINDS
        and before not in ("new", "old", "returns", "temporary", "temp", "execute")
    ):
        return word
    return None


def _bare(statement: list[Token], at: int, given: Collection[str]) -> Token | None:
    """Return the name that stands at `at` when it has no schema and needs one."""
    while at < len(statement) and statement[at].text in _BEFORE_NAME:
        at += 1
    if at >= len(statement) or not statement[at].is_name:
        return None
    token = statement[at]
    after = statement[at + 1].text if at + 1 < len(statement) else ""
    # a function that gives rows is looked at as a function
    is_call = after == "(" and statement[at - 1].text not in ("into", "references", *_KINDS)
    is_known = token.text in given or token.text in _NO_TABLE or token.text.startswith("pg_")
    return None if after == "." or is_call or is_known else token


def locks(found: list[Token], lockers: Collection[str] = ()) -> list[int]:
    """Return where rows are locked: `for update` and its kind, an advisory lock, a function of `lockers`."""
    return [at for at in range(len(found)) if _is_lock([token.text for token in found[at : at + 4]], lockers)]


def _is_lock(words: list[str], lockers: Collection[str]) -> bool:
    if words[0] == "for":
        strengths = (["update"], ["share"], ["no", "key", "update"], ["key", "share"])
        return any(words[1 : 1 + len(strength)] == strength for strength in strengths)
    is_advisory = words[0].startswith("pg_advisory_xact_lock")
    return is_advisory or words[:2] == ["lock", "table"] or (words[0] in lockers and words[1:2] == ["("])


def unlocked(body: list[Token], check: str, lockers: Collection[str]) -> Iterator[tuple[int, str]]:
    """Yield line and message where a guard reads its check without a lock in a statement before."""
    texts = [token.text for token in body]
    locked = locks(body, lockers)
    for at in range(2, len(body)):
        if texts[at] == check and texts[at - 2 : at] == ["trueup", "."] and texts[at + 1 : at + 2] != ["("]:
            earlier = [lock for lock in locked if lock < at]
            if not earlier:
                yield body[at].line, "reads its check before it locks the row it decides about"
            elif not any(";" in texts[lock:at] for lock in earlier):
                yield (
                    body[at].line,
                    "locks and reads in one statement, which sees the rows as they were before it waited",
                )
            return
