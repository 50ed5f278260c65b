"""Book, move and cancel appointments, and do what lies outside the database once: typed calls of the layer.

Each method is the SQL function of the same name (db/functions), which decides; see there what is locked
and refused. `database` is what the application has: a connection, whose transaction a call joins, or a
pool, on which a call is a transaction of its own. A failure is told in a transaction of its own: after
the rollback on a connection, or on a pool.

RefusedError carries the SQLSTATE of a refusal (TU2.., listed in db/README.md) and its detail; a slot that
is taken is psycopg.errors.ExclusionViolation. A time without a zone is a ValueError.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal

from trueup import calling

NAMESPACE = uuid.UUID("ebdb8652-201e-4078-b9e7-abdd19bc8326")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Booked:
    """An appointment that was booked; `replayed` when an earlier request had booked it already."""

    appointment_id: int
    replayed: bool
    idempotency_key: uuid.UUID | None
    call_id: int | None
    starts_at: datetime
    ends_at: datetime
    status: str


@dataclass(frozen=True)
class Rescheduled:
    """An appointment that was moved, by which modification and from where."""

    appointment_id: int
    replayed: bool
    modification_id: int | None
    previous_starts_at: datetime | None
    starts_at: datetime
    ends_at: datetime


@dataclass(frozen=True)
class Cancelled:
    """An appointment that was cancelled, by which modification and when."""

    appointment_id: int
    replayed: bool
    modification_id: int | None
    cancelled_at: datetime


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong with a booking: a reason of validate_booking, and the fact."""

    reason: str
    detail: str


@dataclass(frozen=True)
class Failed:
    """A booking that did not come about: the alert, and the item of the review queue."""

    call_id: int
    replayed: bool
    alert_id: int
    queue_item_id: int


@dataclass(frozen=True)
class Request:
    """What begin_request answers: `new` with a token to finish it, `running`, `replay` or `unknown`."""

    outcome: Literal["new", "running", "replay", "unknown"]
    token: uuid.UUID | None
    attempt: int
    taken_over: bool
    result: Any
    lease_expires_at: datetime | None


def idempotency_key(
    company_id: int | None,
    service_id: int | None,
    staff_id: int | None,
    customer_id: int | None,
    call_id: int | None,
    starts_at: datetime,
    generation: int = 0,
) -> uuid.UUID:
    """Return the key of a booking, as trueup.idempotency_key computes it.

    Raises ValueError for a start without a time zone: it names no instant.
    """
    microseconds = (_instant(starts_at) - _EPOCH) // timedelta(microseconds=1)
    sign = "-" if microseconds < 0 else ""
    seconds, fraction = divmod(abs(microseconds), 1_000_000)
    start = f"{sign}{seconds}.{fraction:06}".rstrip("0").rstrip(".")
    who = f"call:{call_id}" if call_id is not None else "-"
    if customer_id is not None:
        who = f"customer:{customer_id}"
    ids = ("-" if part is None else str(part) for part in (company_id, service_id, staff_id))
    return uuid.uuid5(NAMESPACE, "|".join(("v1", "booking", *ids, who, start, str(generation))))


class Bookings:
    """The booking functions, on a connection or a pool."""

    def __init__(self, database: calling.Database) -> None:
        self._database = database

    def book(
        self,
        company_id: int,
        starts_at: datetime,
        ends_at: datetime | None = None,
        *,
        service_id: int | None = None,
        staff_id: int | None = None,
        customer_id: int | None = None,
        call_id: int | None = None,
        branch_id: int | None = None,
        booking_uid: str | None = None,
        booking_number: int | None = None,
        booked_for: str | None = None,
        status: str = "confirmed",
        source: str | None = None,
        sync_origin: str | None = None,
        notes: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Booked:
        """Write an appointment and what its call says of it; see book_appointment."""
        return calling.rows(self._database, "book_appointment", Booked, **_booking(_arguments(locals())))[0]

    def reschedule(
        self,
        company_id: int,
        appointment_id: int,
        starts_at: datetime,
        ends_at: datetime | None = None,
        *,
        call_id: int | None = None,
        reason: str | None = None,
        actor: str | None = None,
        booking_uid: str | None = None,
        booking_number: int | None = None,
        previous_starts_at: datetime | None = None,
    ) -> Rescheduled:
        """Move an appointment and keep from where; see reschedule_appointment."""
        return calling.rows(self._database, "reschedule_appointment", Rescheduled, **_arguments(locals()))[0]

    def cancel(
        self,
        company_id: int,
        appointment_id: int,
        *,
        call_id: int | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Cancelled:
        """Cancel an appointment, by whatever call; see cancel_appointment."""
        return calling.rows(self._database, "cancel_appointment", Cancelled, **_arguments(locals()))[0]

    def validate(
        self, company_id: int, call_id: int, appointment_id: int | None, booking_uid: str | None = None
    ) -> list[Fault]:
        """Return what is wrong with a booking just made, nothing when it is right; see validate_booking."""
        return calling.rows(self._database, "validate_booking", Fault, **_arguments(locals(), keep=True))

    def fail(self, company_id: int, call_id: int, reason: str, *, actor: str | None = None) -> Failed:
        """Record that the booking of a call did not come about; see fail_booking."""
        return calling.rows(self._database, "fail_booking", Failed, **_arguments(locals()))[0]

    def begin_request(
        self,
        company_id: int | None,
        scope: str,
        key: uuid.UUID,
        parameters: Mapping[str, Any],
        lease: timedelta | None = None,
    ) -> Request:
        """Ask whether this may be done, or was done already; see begin_request."""
        hashed = calling.value(self._database, "parameters_hash", parameters=json.dumps(parameters))
        return calling.rows(
            self._database,
            "begin_request",
            Request,
            company_id=company_id,
            scope=scope,
            key=key,
            parameters_hash=hashed,
            lease=lease,
        )[0]

    def finish_request(
        self,
        company_id: int | None,
        scope: str,
        key: uuid.UUID,
        token: uuid.UUID,
        outcome: Literal["success", "failure", "transient", "unknown"] = "success",
        result: Any = None,
    ) -> str:
        """Tell how it ended; return finished, retry or unknown; see finish_request."""
        return str(calling.value(self._database, "finish_request", **_told(_arguments(locals(), keep=True))))


class AsyncBookings:
    """The same on an asynchronous connection or pool."""

    def __init__(self, database: calling.AsyncDatabase) -> None:
        self._database = database

    async def book(
        self,
        company_id: int,
        starts_at: datetime,
        ends_at: datetime | None = None,
        *,
        service_id: int | None = None,
        staff_id: int | None = None,
        customer_id: int | None = None,
        call_id: int | None = None,
        branch_id: int | None = None,
        booking_uid: str | None = None,
        booking_number: int | None = None,
        booked_for: str | None = None,
        status: str = "confirmed",
        source: str | None = None,
        sync_origin: str | None = None,
        notes: str | None = None,
        metadata: Mapping[str, Any] | None = None,
    ) -> Booked:
        """Write an appointment and what its call says of it; see book_appointment."""
        found = await calling.rows_async(
            self._database, "book_appointment", Booked, **_booking(_arguments(locals()))
        )
        return found[0]

    async def reschedule(
        self,
        company_id: int,
        appointment_id: int,
        starts_at: datetime,
        ends_at: datetime | None = None,
        *,
        call_id: int | None = None,
        reason: str | None = None,
        actor: str | None = None,
        booking_uid: str | None = None,
        booking_number: int | None = None,
        previous_starts_at: datetime | None = None,
    ) -> Rescheduled:
        """Move an appointment and keep from where; see reschedule_appointment."""
        found = await calling.rows_async(
            self._database, "reschedule_appointment", Rescheduled, **_arguments(locals())
        )
        return found[0]

    async def cancel(
        self,
        company_id: int,
        appointment_id: int,
        *,
        call_id: int | None = None,
        reason: str | None = None,
        actor: str | None = None,
    ) -> Cancelled:
        """Cancel an appointment, by whatever call; see cancel_appointment."""
        found = await calling.rows_async(
            self._database, "cancel_appointment", Cancelled, **_arguments(locals())
        )
        return found[0]

    async def validate(
        self, company_id: int, call_id: int, appointment_id: int | None, booking_uid: str | None = None
    ) -> list[Fault]:
        """Return what is wrong with a booking just made, nothing when it is right; see validate_booking."""
        return await calling.rows_async(
            self._database, "validate_booking", Fault, **_arguments(locals(), keep=True)
        )

    async def fail(self, company_id: int, call_id: int, reason: str, *, actor: str | None = None) -> Failed:
        """Record that the booking of a call did not come about; see fail_booking."""
        found = await calling.rows_async(self._database, "fail_booking", Failed, **_arguments(locals()))
        return found[0]

    async def begin_request(
        self,
        company_id: int | None,
        scope: str,
        key: uuid.UUID,
        parameters: Mapping[str, Any],
        lease: timedelta | None = None,
    ) -> Request:
        """Ask whether this may be done, or was done already; see begin_request."""
        hashed = await calling.value_async(
            self._database, "parameters_hash", parameters=json.dumps(parameters)
        )
        found = await calling.rows_async(
            self._database,
            "begin_request",
            Request,
            company_id=company_id,
            scope=scope,
            key=key,
            parameters_hash=hashed,
            lease=lease,
        )
        return found[0]

    async def finish_request(
        self,
        company_id: int | None,
        scope: str,
        key: uuid.UUID,
        token: uuid.UUID,
        outcome: Literal["success", "failure", "transient", "unknown"] = "success",
        result: Any = None,
    ) -> str:
        """Tell how it ended; return finished, retry or unknown; see finish_request."""
        return str(
            await calling.value_async(
                self._database, "finish_request", **_told(_arguments(locals(), keep=True))
            )
        )


def _arguments(given: Mapping[str, Any], *, keep: bool = False) -> dict[str, Any]:
    """Return the arguments of a method; those that are None take the function's defaults unless kept.

    Raises ValueError for a time without a zone, which the server would read in that of the session.
    """
    return {
        name: _instant(item) if isinstance(item, datetime) else item
        for name, item in given.items()
        if name != "self" and (keep or item is not None)
    }


def _instant(time: datetime) -> datetime:
    if time.utcoffset() is None:
        raise ValueError(f"{time.isoformat()} is no instant: it has no time zone")
    return time


def _booking(arguments: dict[str, Any]) -> dict[str, Any]:
    if "metadata" in arguments:
        arguments["metadata"] = json.dumps(arguments["metadata"])
    return arguments


def _told(arguments: dict[str, Any]) -> dict[str, Any]:
    arguments["result"] = None if arguments["result"] is None else json.dumps(arguments["result"])
    return arguments
