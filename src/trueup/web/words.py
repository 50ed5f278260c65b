"""The words of the pages that come from the database: states, actions, events."""

from __future__ import annotations

from flask_babel import LazyString, gettext
from flask_babel import lazy_gettext as _

from trueup.errors import RefusedError

WORDS: dict[str, LazyString] = {
    # severity
    "critical": _("critical"),
    "warning": _("warning"),
    "info": _("info"),
    # the states of an item
    "pending": _("waiting"),
    "in_progress": _("in work"),
    "dismissed": _("dismissed"),
    "resolved": _("resolved"),
    # the states of an alert
    "open": _("open"),
    "acknowledged": _("acknowledged"),
    "accepted": _("accepted"),
    "snoozed": _("put off"),
    "repaired": _("repaired"),
    "fixed elsewhere": _("put right elsewhere"),
    "definition changed": _("the check was changed"),
    # what happened to an item
    "queued": _("queued"),
    "claimed": _("claimed"),
    "extended": _("extended"),
    "released": _("given back"),
    "lease_expired": _("claim ran out"),
    "reassigned": _("handed over"),
    "reopened": _("reopened"),
    "escalated": _("escalated"),
    # what is done in the console
    "claim": _("claimed"),
    "extend": _("extended"),
    "release": _("given back"),
    "resolve": _("resolved"),
    "repair": _("repaired"),
    "dismiss": _("dismissed"),
    "snooze": _("put off"),
    "reassign": _("handed over"),
    "reopen": _("reopened"),
    "acknowledge": _("acknowledged"),
    "accept": _("accepted"),
    "signed in": _("signed in"),
    "signed out": _("signed out"),
    "password changed": _("password changed"),
    "password set": _("password set"),
    "user added": _("user added"),
    "user disabled": _("user shut out"),
    "user enabled": _("user let in again"),
    "companies changed": _("companies changed"),
    "role changed": _("role changed"),
    # runs and their results
    "full": _("full"),
    "selected": _("some checks"),
    "changed": _("changes"),
    "running": _("running"),
    "complete": _("complete"),
    "partial": _("in part"),
    "failed": _("failed"),
    "abandoned": _("abandoned"),
    "error": _("error"),
    "timeout": _("timeout"),
    "superseded": _("superseded"),
    # guards
    "off": _("off"),
    "observe": _("observes"),
    "enforce": _("refuses"),
    # roles
    "reviewer": _("reviewer"),
    "admin": _("admin"),
    "viewer": _("viewer"),
    # rows around an item
    "self": _("the row itself"),
    "named": _("named by it"),
    "names it": _("names it"),
    # what a repair does to a row
    "insert": _("added"),
    "update": _("changed"),
    "delete": _("deleted"),
    # keys of what an event tells
    "note": _("note"),
    "notes": _("note"),
    "until": _("until"),
    "to": _("to"),
    "reason": _("reason"),
    "lease_expires_at": _("until"),
    "claimed_by": _("by"),
    "decided_by": _("by"),
    "decided_at": _("at"),
    "decision": _("decision"),
    "repair_id": _("repair"),
    "alert_id": _("alert"),
    "outcome": _("outcome"),
}


def word(text: str | None) -> str:
    """Return a word of the database in the reader's language; a name without underscores otherwise."""
    if text is None:
        return ""
    return str(WORDS[text]) if text in WORDS else text.replace("_", " ")


def refusal(action: str, error: RefusedError) -> str:
    """Return in plain words why what was asked for was not done."""
    if error.sqlstate == "TU004" and action == "repair":
        said = gettext("The repair cannot correct it. Put it right by hand, or dismiss the item.")
    elif error.sqlstate == "TU004":
        said = gettext(
            "It is still wrong, so the item cannot be resolved. "
            "Put the row right first, or dismiss the item: that lets it be."
        )
    else:
        said = {
            "dismiss": gettext("Say why it may stay as it is."),
            "accept": gettext("Say why it may stay as it is, and until when: a time to come."),
            "snooze": gettext("Say until when: a time to come."),
            "reassign": gettext("Choose somebody who may work on this item."),
        }.get(action, gettext("This is not possible now."))
    return str(said)
