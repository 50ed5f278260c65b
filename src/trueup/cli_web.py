"""The command that serves the review console, and those for its users."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from trueup.cli_options import (
    clock,
    config_option,
    database_option,
    format_option,
    print_json,
    print_rows,
    printable,
)

if TYPE_CHECKING:
    from types import ModuleType


@click.group(
    invoke_without_command=True,
    epilog="""\b
Examples:
  trueup web user add ann --company 7
  trueup web
  trueup web --host 0.0.0.0 --tls-cert console.pem --tls-key console.key
""",
)
@click.option("--host", help="Address to listen on.  [default: [web] host, 127.0.0.1]")
@click.option("--port", type=click.IntRange(0, 65535), help="Port to listen on.  [default: [web] port, 8780]")
@click.option("--tls-cert", type=click.Path(path_type=Path, dir_okay=False), help="Certificate, as PEM.")
@click.option("--tls-key", type=click.Path(path_type=Path, dir_okay=False), help="Its private key, as PEM.")
@click.option(
    "--insecure", is_flag=True, default=None, help="Listen beyond this machine without TLS: a proxy has it."
)
@config_option
@database_option
@click.pass_context
def web(context: click.Context, /, file: Path | None, database: str | None, **given: Any) -> None:
    """Serve the review console: pages for the people who work the queue.

    Listens on this machine only, unless there is TLS. It works as a login in role
    trueup_console, which sees and does what the person signed in may. SIGTERM ends it
    after the requests under way.
    """
    if context.invoked_subcommand:
        return
    serving = _module("serving")
    from trueup.operating import logs
    from trueup.operating.config import load

    configuration = load(file).configuration
    logs.configure(configuration.log)
    section = replace(configuration.web, **{key: value for key, value in given.items() if value is not None})
    serving.serve(
        section,
        database or configuration.database_url,
        lambda address: click.echo(f"the review console is at {address}"),
    )


@web.group(
    epilog="""\b
Examples:
  trueup web user list
  trueup web user disable ann
"""
)
def user() -> None:
    """Say who may use the console; needs the rights of trueup_owner."""


role_option = click.option(
    "--role",
    type=click.Choice(["reviewer", "admin", "viewer"]),
    default="reviewer",
    show_default=True,
    help="A viewer decides nothing; an admin reads the log of all, too.",
)
company_option = click.option(
    "--company", "companies", multiple=True, metavar="ID", help="Only this company; may be repeated."
)
stdin_option = click.option(
    "--password-stdin", is_flag=True, help="Read the password from standard input; otherwise it is asked for."
)


@user.command(
    "add",
    epilog="""\b
Examples:
  trueup web user add ann --company 7
  trueup web user add bob --role viewer --no-password
""",
)
@click.argument("name")
@role_option
@company_option
@click.option(
    "--language", type=click.Choice(["en", "de"]), help="Language of the pages, else the browser's."
)
@stdin_option
@click.option("--no-password", is_flag=True, help="A proxy says who it is; see [web] trusted_header.")
@database_option
def user_add(
    name: str,
    role: str,
    companies: tuple[str, ...],
    language: str | None,
    password_stdin: bool,
    no_password: bool,
    database: str | None,
) -> None:
    """Add a user, of all companies unless told otherwise."""
    users = _module("users")
    password = None if no_password else _password(password_stdin)
    users.add(name, password, role, companies or None, language, database=database)
    click.echo(f"{printable(name)} may sign in as {role}, {_scope(companies)}")


@user.command("list", epilog="Example: trueup web user list")
@format_option()
@database_option
def user_list(form: str, database: str | None) -> None:
    """List the users."""
    found = _module("users").list_users(database=database)
    if form == "json":
        print_json(found)
        return
    print_rows(
        ["name", "role", "companies", "password", "sessions", "last seen", "shut out since"],
        [
            (
                u.name,
                u.role,
                "all" if u.companies is None else ", ".join(u.companies),
                "yes" if u.has_password else "no",
                u.sessions,
                clock(u.last_seen_at),
                clock(u.disabled_at),
            )
            for u in found
        ],
        empty="there are no users; add one: trueup web user add NAME",
    )


@user.command("password", epilog="Example: trueup web user password ann")
@click.argument("name")
@stdin_option
@database_option
def user_password(name: str, password_stdin: bool, database: str | None) -> None:
    """Give a user a new password; every session of theirs ends."""
    _module("users").set_password(name, _password(password_stdin), database=database)
    click.echo(f"{printable(name)} has a new password, and has to sign in again")


@user.command("disable", epilog="Example: trueup web user disable ann")
@click.argument("name")
@click.option("--undo", is_flag=True, help="Let them in again.")
@database_option
def user_disable(name: str, undo: bool, database: str | None) -> None:
    """Shut a user out at once; what they decided stays."""
    _module("users").set_disabled(name, not undo, database=database)
    click.echo(f"{printable(name)} may sign in again" if undo else f"{printable(name)} is shut out")


@user.command("companies", epilog="Example: trueup web user companies ann --company 7 --company 8")
@click.argument("name")
@company_option
@click.option("--all", "everything", is_flag=True, help="All companies, and what belongs to none.")
@database_option
def user_companies(name: str, companies: tuple[str, ...], everything: bool, database: str | None) -> None:
    """Say which companies a user may see, from the next request on."""
    if bool(companies) is everything:
        raise click.UsageError("say which: --company ID, or --all")
    _module("users").set_companies(name, None if everything else companies, database=database)
    click.echo(f"{printable(name)} may see {_scope(companies)}")


@user.command("role", epilog="Example: trueup web user role ann --role viewer")
@click.argument("name")
@role_option
@database_option
def user_role(name: str, role: str, database: str | None) -> None:
    """Give a user another role, from the next request on."""
    _module("users").set_role(name, role, database=database)
    click.echo(f"{printable(name)} is {role} now")


def _scope(companies: tuple[str, ...]) -> str:
    return f"company {', '.join(companies)}" if companies else "all companies"


def _password(from_stdin: bool) -> str:
    if from_stdin:
        return sys.stdin.readline().rstrip("\r\n")
    asked: str = click.prompt("Password", hide_input=True, confirmation_prompt=True, err=True)
    return asked


def _module(name: str) -> ModuleType:
    """Return a module of the console. Raises UsageError when what it needs is not installed."""
    from importlib import import_module

    from trueup.errors import UsageError

    try:
        return import_module(f"trueup.web.{name}")
    except ModuleNotFoundError as error:
        if (error.name or "").startswith("trueup"):
            raise
        raise UsageError(f"the review console needs {error.name}: install trueup[web]") from None
