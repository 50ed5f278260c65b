"""Switch on what is clean: validate constraints, build the missing ones, set guards to enforce."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from trueup import packs
from trueup.deploy import add_constraint
from trueup.errors import MigrationError, NotFoundError
from trueup.evaluation import require
from trueup.fitting import fitted
from trueup.locks import one_at_a_time, patiently
from trueup.migration import WAIT
from trueup.model import Change, ConstraintState
from trueup.store import Session, literal, quoted, session

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


@dataclass(frozen=True)
class _Guard:
    name: str
    mode: str


def enforce(
    names: Iterable[str] = (),
    *,
    database: str | None = None,
    pack: Path | None = None,
    dry_run: bool = False,
    wait: float = WAIT,
) -> list[Change]:
    """Validate the constraints whose checks are clean, enforce the guards; return what was done or why not.

    A guard looks at new writes only, so it may be enforced while old violations are in
    people's hands (in the review queue, or accepted); a constraint must be true of all rows.

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
        constraints, guards = _now(connection)
        known = {c.name for c in constraints} | {g.name for g in guards} | {c.name for c in loaded.checks}
        if unknown := wanted - known:
            raise NotFoundError(
                f"no constraint, guard or check is called {sorted(unknown)[0]}; see `trueup verify`"
            )
        # where the check is left out, only VALIDATE can say
        counts = {Path(file).stem: 0 for file in loaded.left}
        changes = []
        with one_at_a_time(database, wait):
            # what another migration did while this one waited
            constraints, guards = _now(connection)
            for constraint in constraints:
                if not wanted or {constraint.name, constraint.check_name} & wanted:
                    changes.append(_constraint(connection, constraint, counts, dry_run))
            placed = {guard.name for guard in guards}
            changes += [
                Change("leave", name, "guard; the rows it would watch are not in this database")
                for name in loaded.guards
                if name not in placed and (not wanted or name in wanted)
            ]
            for guard in guards:
                if not wanted or guard.name in wanted:
                    changes.append(_guard(connection, guard, counts, dry_run))
    return changes


def _now(connection: Session) -> tuple[list[ConstraintState], list[_Guard]]:
    return connection.rows("constraint_states", ConstraintState), connection.rows("guard_modes", _Guard)


def _constraint(connection: Session, state: ConstraintState, counts: dict[str, int], dry_run: bool) -> Change:
    if state.state == "valid":
        return Change("keep", state.name, "valid")
    if state.left_out:
        return Change("leave", state.name, state.left_out)
    if state.check_name and (wrong := _violations(connection, state.check_name, counts)):
        return Change("leave", state.name, f"{wrong} violations of {state.check_name}")
    action = "validate" if state.state == "not valid" else "build"
    if dry_run:
        return Change(action, state.name, state.check_name or "")
    if action == "build":
        done = add_constraint(connection, state, build=True)
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
        return Change("leave", state.name, str(error).splitlines()[-1])
    return Change(action, state.name, state.check_name or "")


def _guard(connection: Session, guard: _Guard, counts: dict[str, int], dry_run: bool) -> Change:
    if guard.mode == "enforce":
        return Change("keep", guard.name, "guard, enforce")
    wrong = _violations(connection, guard.name, counts)
    if wrong and (
        unknown := connection.counted(
            quoted("trueup", guard.name) + " as v", _NOBODY_KNOWS.format(literal(guard.name))
        )
    ):
        return Change(
            "leave", guard.name, f"guard stays {guard.mode}: {unknown} violations that nobody has looked at"
        )
    if not dry_run:
        connection.value("set_guard_mode", name=guard.name, mode="enforce")
    return Change(
        "enforce", guard.name, f"guard; {wrong} old violations are in people's hands" if wrong else "guard"
    )


def _violations(connection: Session, check: str, counts: dict[str, int]) -> int:
    if check not in counts:
        counts[check] = connection.counted(quoted("trueup", check), "true")
    return counts[check]
