"""Switch on what is clean: validate constraints, build the missing ones, set guards to enforce."""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from trueup import packs
from trueup.deploy import Change, ConstraintState, add_constraint
from trueup.durations import length
from trueup.errors import MigrationError, NotFoundError
from trueup.evaluation import query_of, require, with_candidates
from trueup.fitting import fitted
from trueup.guards import tell_unknown
from trueup.ledger import Ledger
from trueup.locks import limit_waiting, one_at_a_time, patiently
from trueup.migration import WAIT
from trueup.packs import Check, Pack
from trueup.store import Session, literal, quoted, session

logger = logging.getLogger(__name__)

# violations that are neither in the review queue nor accepted
_NOBODY_KNOWS = """
    not exists (
        select 1 from trueup.manual_review_queue as q
        where q.reason = {0} and q.entity_type = v.entity_type and q.entity_id = v.entity_id::text
            and q.status in ('pending', 'in_progress')
    )
    and not exists (
        select 1 from trueup.data_consistency_alerts as al
        where al.alert_type = {0} and al.entity_type = v.entity_type and al.entity_id = v.entity_id::text
            and al.status = 'acknowledged' and al.accepted_by is not null
    )
"""


# of a foreign key: its columns, the table that it refers to, and the columns there
_REFERENCE = re.compile(r"\((?P<own>[^)]+)\) references (?P<table>[^(]+)\((?P<other>[^)]+)\)")
_OF_COMPANY = "v.company_id::text = {0}"
QUIET = timedelta(days=7)


class _Guard(NamedTuple):
    name: str
    mode: str
    changed_at: datetime
    companies: dict[str, str]

    def mode_of(self, company: str | None) -> str:
        """Return the mode for the rows of a company, or for all."""
        return self.mode if company is None or self.mode == "off" else self.companies.get(company, self.mode)


class _Observed(NamedTuple):
    observed_for: timedelta | None
    refusable: int
    tripped_at: datetime | None
    role_name: str | None
    application: str | None
    writes: int | None


def enforce(
    names: Iterable[str] = (),
    *,
    database: str | None = None,
    pack: Path | None = None,
    company: str | None = None,
    actor: str | None = None,
    quiet: timedelta = QUIET,
    dry_run: bool = False,
    wait: float = WAIT,
) -> list[Change]:
    """Validate the constraints whose checks are clean, enforce the guards; return what was done or why not.

    A guard looks at new writes only, so it may be enforced while old violations are in
    people's hands (in the review queue, or accepted); a constraint must be true of all rows.
    A guard that would have refused a write within `quiet` stays as it is: whoever wrote that
    would be refused next time. With `company` only guards are looked at, and set for the rows
    of that company.

    Each Change is `validate`, `build` or `enforce` for what was switched on, `keep` for
    what was on already, `leave` with the reason for what could not be. Names are
    constraints, guards or checks; none means all. VALIDATE takes SHARE UPDATE EXCLUSIVE
    and lets writers go on. A second call does nothing.
    """
    loaded = packs.load(pack)
    wanted = set(names)
    with session(database, "enforce") as connection:
        loaded = fitted(connection, loaded)
        require(connection, loaded)
        limit_waiting(connection)
        _refuse_unknown(connection, loaded, wanted)
        tell_unknown(connection, company)
        violations = _Violations(
            connection, {check.name: check for check in with_candidates(connection, list(loaded.checks))}
        )
        changes = []
        with one_at_a_time(database, wait):
            # what another migration did while this one waited
            constraints, guards = _now(connection)
            for constraint in constraints if company is None else []:
                if not wanted or {constraint.name, constraint.check_name} & wanted:
                    changes.append(_constraint(connection, constraint, violations, dry_run))
            placed = {guard.name for guard in guards}
            changes += [
                Change("leave", name, "guard; the rows it would watch are not in this database")
                for name in loaded.guards
                if name not in placed and (not wanted or name in wanted)
            ]
            for guard in guards:
                if not wanted or guard.name in wanted:
                    changes.append(_guard(connection, guard, violations, company, actor, quiet, dry_run))
    _log(changes, dry_run)
    return changes


def revert(
    names: Iterable[str] = (),
    *,
    database: str | None = None,
    pack: Path | None = None,
    company: str | None = None,
    actor: str | None = None,
    dry_run: bool = False,
) -> list[Change]:
    """Let guards that enforce observe again, all or those named. With `company`, its own modes go;
    without, those of every company that had a guard enforced.

    Each Change is `observe`, `keep` for a guard that does not enforce, or `leave` for a
    constraint: one that is NOT VALID refuses new violations just as well, so there is nothing
    to take back.
    """
    loaded = packs.load(pack)
    wanted = set(names)
    with session(database, "enforce") as connection:
        loaded = fitted(connection, loaded)
        require(connection, loaded)
        _refuse_unknown(connection, loaded, wanted)
        constraints, guards = _now(connection)
        named = {guard.name for guard in guards}
        changes = [
            Change("leave", state.name, "refuses new violations whether validated or not")
            for state in constraints
            if state.name in wanted
        ]
        for guard in guards:
            if wanted and guard.name not in wanted:
                continue
            own = [
                each
                for each, mode in sorted(guard.companies.items())
                if mode == "enforce" and company in (None, each)
            ]
            is_whole = company is None and guard.mode == "enforce"
            if company is not None and not own and guard.mode_of(company) == "enforce":
                changes.append(
                    Change(
                        "leave",
                        guard.name,
                        f"enforced for all; `trueup guard set {guard.name} observe --company {company}` "
                        "makes an exception",
                    )
                )
                continue
            if not (own or is_whole):
                changes.append(Change("keep", guard.name, f"guard, {guard.mode_of(company)}"))
                continue
            # what is off stays off
            for each in [*own, *([None] if is_whole else [])] if not dry_run else []:
                connection.run(
                    "set_guard_mode",
                    name=guard.name,
                    mode=None if each else "observe",
                    actor=actor,
                    company_id=each,
                )
            whose = [_whose(None)] if is_whole else []
            whose += [_whose(each) for each in own]
            changes.append(Change("observe", guard.name, f"guard{','.join(whose)}"))
        changes += [
            Change("keep", name, "no guard")
            for name in sorted(wanted - named - {c.name for c in constraints})
        ]
    _log(changes, dry_run)
    return changes


def _log(changes: Iterable[Change], dry_run: bool) -> None:
    for change in changes:
        # why something is left off may be what the server says of a row
        logger.log(
            logging.DEBUG if dry_run or change.action in ("keep", "leave") else logging.INFO,
            "prevention switched",
            extra={"action": change.action, "constraint": change.what, "dry_run": dry_run},
        )


def _whose(company: str | None) -> str:
    return "" if company is None else f" for company {company}"


def _refuse_unknown(connection: Session, pack: Pack, names: set[str]) -> None:
    constraints, guards = _now(connection)
    known = {c.name for c in constraints} | {g.name for g in guards} | {c.name for c in pack.checks}
    if unknown := names - known:
        raise NotFoundError(
            f"no constraint, guard or check is called {sorted(unknown)[0]}; see `trueup verify`"
        )


def _now(connection: Session) -> tuple[list[ConstraintState], list[_Guard]]:
    return connection.rows("constraint_states", ConstraintState), connection.rows("guard_modes", _Guard)


def _constraint(
    connection: Session, state: ConstraintState, violations: _Violations, dry_run: bool
) -> Change:
    if state.state == "valid":
        return Change("keep", state.name, "valid")
    if state.left_out:
        return Change("leave", state.name, state.left_out)
    if state.state == "not valid" and state.was_there:
        return Change("leave", state.name, "the application's own, NOT VALID before we came")
    if state.check_name and (wrong := violations.of(state.check_name)):
        return Change("leave", state.name, f"{wrong} violations of {state.check_name}")
    action = "validate" if state.state == "not valid" else "build"
    if dry_run:
        wrong = _violating(connection, state)
        return Change(
            "leave" if wrong else action,
            state.name,
            f"rows that violate it: {wrong}" if wrong else state.check_name or "",
        )
    if action == "build":
        done = add_constraint(connection, Ledger(connection), state, build=True)
        if done.action == "pending":
            return Change("leave", state.name, done.detail)
        if not done.detail:
            return Change("build", state.name, state.check_name or "")
    try:
        patiently(
            connection,
            f"alter table {state.table_name} validate constraint {quoted(state.name)}",
            [state.table_name],
        )
    except MigrationError as error:
        # what was built refuses new rows from now on, valid or not
        built = "added NOT VALID: " if action == "build" else ""
        return Change("leave", state.name, built + str(error).splitlines()[-1])
    return Change(action, state.name, state.check_name or "")


def _violating(connection: Session, state: ConstraintState) -> int:
    """Return of how many rows a constraint is not true, as VALIDATE would find; of an index nobody asks."""
    if state.kind == "check":
        return connection.counted(state.table_name, f"{state.definition} is false")
    reference = _REFERENCE.match(state.definition)
    if state.kind != "foreign key" or not reference:
        return 0
    own, other = (reference[part].split(",") for part in ("own", "other"))
    given = " and ".join(f"f.{column.strip()} is not null" for column in own)
    same = " and ".join(f"r.{b.strip()} = f.{a.strip()}" for a, b in zip(own, other, strict=True))
    there = f"exists (select from {reference['table']} as r where {same})"
    return connection.counted(f"{state.table_name} as f", f"{given} and not {there}")


def _guard(
    connection: Session,
    guard: _Guard,
    violations: _Violations,
    company: str | None,
    actor: str | None,
    quiet: timedelta,
    dry_run: bool,
) -> Change:
    mode = guard.mode_of(company)
    if mode == "enforce":
        return Change("keep", guard.name, f"guard, enforce{_whose(company)}")
    if company is not None and mode == "off":
        return Change(
            "leave", guard.name, "guard is off for all companies; `trueup guard set` lets it observe"
        )
    if guard.name not in violations.checks:
        return Change("leave", guard.name, f"guard stays {mode}: its check is not in this pack")
    which = "true" if company is None else _OF_COMPANY.format(literal(company))
    view = quoted("trueup", guard.name)
    wrong = violations.of(guard.name) if company is None else connection.counted(f"{view} as v", which)
    if wrong and (
        unknown := connection.counted(
            f"{view} as v", f"{which} and {_NOBODY_KNOWS.format(literal(guard.name))}"
        )
    ):
        return Change(
            "leave", guard.name, f"guard stays {mode}: {unknown} violations that nobody has looked at"
        )
    seen = connection.row("guard_observed", _Observed, name=guard.name, company_id=company, quiet=quiet)
    assert seen is not None
    said = _said(seen, quiet)
    if seen.refusable:
        return Change("leave", guard.name, f"guard stays {mode}: {said}")
    if not dry_run:
        connection.run("set_guard_mode", name=guard.name, mode="enforce", actor=actor, company_id=company)
    hands = [f"{wrong} old violations are in people's hands"] if wrong else []
    return Change("enforce", guard.name, "; ".join([f"guard{_whose(company)}", *hands, said]))


def _said(seen: _Observed, quiet: timedelta) -> str:
    """Return what a guard saw while it observed: writes it would have refused, of how many, since when."""
    if seen.observed_for is None and not seen.refusable:
        return "it has not observed"
    since = quiet if seen.observed_for is None else min(quiet, seen.observed_for)
    of = "" if seen.writes is None else f" of about {seen.writes:,} row writes"
    said = f"would have refused {seen.refusable:,}{of} in {length(since)}"
    if seen.refusable:
        who = f"role {seen.role_name}" + (f", application {seen.application}" if seen.application else "")
        said += f", the last by {who} at {seen.tripped_at:%Y-%m-%d %H:%M} UTC"
    return said


@dataclass(frozen=True)
class _Violations:
    """How many violations each check lists, counted once, as a full run finds them."""

    connection: Session
    checks: dict[str, Check]
    counted: dict[str, int] = field(default_factory=dict)

    def of(self, name: str) -> int:
        # of a check that is left out, or gone from the pack, only VALIDATE can say
        if name not in self.checks:
            return 0
        if name not in self.counted:
            self.counted[name] = self.connection.counted(f"({query_of(self.checks[name])}) as v", "true")
        return self.counted[name]
