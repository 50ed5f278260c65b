"""The main job on the reference incident, from a broken database to an enforced one."""

from __future__ import annotations

import shlex
import shutil
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from importlib.resources import files
from pathlib import Path

from trueup import packs, server
from trueup.adoption import Adoption, adopt
from trueup.deploy import Change
from trueup.enforcement import enforce
from trueup.errors import ServerError
from trueup.evaluation import check
from trueup.incident import COMPOSITION, legacy_sql
from trueup.migration import host_sql
from trueup.model import Progress, Run, silent
from trueup.repairing import Repairs, repair
from trueup.store import ServerSaid, session

DATABASE = "demo"
STEPS = (
    "start the server",
    "load the legacy database",
    "adopt",
    "check",
    "repair",
    "check again",
    "enforce",
    "refuse",
)


@dataclass(frozen=True)
class Count:
    """One line of the story: a part of the data set before and after, and what was expected after."""

    name: str
    title: str
    before: int
    after: int
    expected_before: int
    expected_after: int

    @property
    def as_expected(self) -> bool:
        """Both numbers are the ones the incident is known to have."""
        return (self.before, self.after) == (self.expected_before, self.expected_after)


@dataclass(frozen=True)
class Question:
    """What went to people: how many items of one reason, and one of them."""

    reason: str
    items: int
    example: str


@dataclass(frozen=True)
class Refusal:
    """A write that a guard refused, as the server said it."""

    statement: str
    sqlstate: str
    constraint: str
    message: str
    detail: str
    hint: str


@dataclass(frozen=True)
class Demo:
    """Everything the demo did, and where its data is."""

    counts: tuple[Count, ...]
    adoption: Adoption
    first: Run
    repaired: Repairs
    second: Run
    enforced: tuple[Change, ...]
    questions: tuple[Question, ...]
    refusal: Refusal
    seconds: float
    data: Path | None
    url: str | None
    psql: str | None


def demo(*, keep: Path | None = None, progress: Progress = silent) -> Demo:
    """Load the incident's legacy database, bring it back to order, and return what happened.

    Runs on an embedded server of its own. With `keep`, the cluster stays in that
    directory and keeps running; without, it is removed at the end. Raises ServerError
    when `keep` already holds a demo.
    """
    began = time.monotonic()

    def step(number: int) -> None:
        progress(STEPS[number], number, len(STEPS))

    with ExitStack() as stack:
        step(0)
        if keep is not None:
            if keep.is_dir() and any(keep.iterdir()):
                raise ServerError(
                    f"{keep} is not empty; name another directory, or open what is there with "
                    f"`trueup server start --data {keep}`"
                )
            running = server.start(keep)
            stack.push(_unfinished(keep))
        else:
            running = stack.enter_context(server.temporary())
        step(1)
        with session(running.url(), "demo") as connection:
            connection.script(f"create database {DATABASE}")
        url = running.url(DATABASE)
        with session(url, "demo") as connection:
            connection.script(host_sql(packs.load()) or "")
            connection.script(legacy_sql())
        before = _counts(url)
        step(2)
        adoption = adopt(database=url, apply=True)
        step(3)
        first = check(database=url)
        step(4)
        repaired = repair(database=url, apply=True)
        step(5)
        second = check(database=url)
        after = _counts(url)
        step(6)
        enforced = enforce(database=url)
        step(7)
        refusal = _refused_write(url)
        with session(url, "demo") as connection:
            questions = connection.rows("review_questions", Question)
        progress("", len(STEPS), len(STEPS))
        return Demo(
            tuple(
                Count(part.name, part.title, before[part.name], after[part.name], part.before, part.after)
                for part in COMPOSITION
            ),
            adoption,
            first,
            repaired,
            second,
            tuple(enforced),
            tuple(questions),
            refusal,
            round(time.monotonic() - began, 1),
            keep,
            url if keep else None,
            shlex.join(running.psql_command(DATABASE)) if keep else None,
        )


def _unfinished(keep: Path) -> Callable[..., None]:
    """Return what leaves nothing behind when the demo does not reach its end."""

    def leave(kind: type[BaseException] | None, *_: object) -> None:
        if kind is not None:
            server.stop(keep, "immediate")
            shutil.rmtree(keep, ignore_errors=True)

    return leave


def story(done: Demo) -> str:
    """Return the demo as text for a person."""
    from jinja2 import Environment, StrictUndefined

    text = (files("trueup") / "templates" / "story.txt.jinja").read_text(encoding="utf-8")
    environment = Environment(
        undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, autoescape=False
    )
    corrected = [item for item in done.repaired.checks if item.corrected]
    return (
        environment.from_string(text)
        .render(
            demo=done,
            corrected=corrected,
            validated=[c for c in done.enforced if c.action in ("validate", "build")],
            guards=[c for c in done.enforced if c.action == "enforce"],
            left=[c for c in done.enforced if c.action == "leave"],
            wide=max(len(count.title) for count in done.counts),
        )
        .rstrip()
    )


def _counts(url: str) -> dict[str, int]:
    with session(url, "demo") as connection:
        return connection.record("incident_counts")


def _refused_write(url: str) -> Refusal:
    with session(url, "demo") as connection:
        call = connection.value("unbooked_call")
        statement = f"update calls set session_outcome = 'appointment_booked' where id = {call}"
        try:
            with connection.transaction():
                connection.script(statement)
        except ServerSaid as error:
            said = error.diag
            return Refusal(
                statement,
                error.sqlstate or "",
                said.constraint_name or "",
                said.message_primary or "",
                said.message_detail or "",
                said.message_hint or "",
            )
    raise ServerError(
        "the guard let a write through that it must refuse; run `trueup verify` on the demo's database"
    )
