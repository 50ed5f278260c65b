"""What the documentation says is tried: commands are run, tables and links are compared.

Blocks fenced as sh, sql and python are run in the order of the page, each page in one shell
and on a database of its own. A block whose paragraph before it is a file name is written to
that file. Blocks fenced as text are not run; the few there are must still name commands and
options that exist.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import click
import pgtap_runner
import pytest
import write_readme
from conftest import ROOT, Databases
from helpers import sql, value
from hooks import serving
from psycopg.conninfo import conninfo_to_dict

import trueup
from trueup import cli as command_line
from trueup import server

PAGES = ("README.md", "db/README.md", "CONTRIBUTING.md", "CHANGELOG.md")
# these exit with 1 when there is something to report, which on a legacy database there is
REPORTING = ("check", "enforce", "repair", "server status", "verify")
BLOCK = re.compile(r"(?:^`(?P<file>[\w./]+)`\n\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.M | re.S)
LINK = re.compile(r"\[[^]]*\]\((?P<target>[^)\s]+)\)")
SHOWN = re.compile(r"`(trueup [^`]+)`")


@dataclass(frozen=True)
class Block:
    """A fenced block of a page; `file` when the page says that it is a file."""

    language: str
    text: str
    file: str | None


def page(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def blocks(name: str) -> list[Block]:
    return [Block(found["language"], found["text"], found["file"]) for found in BLOCK.finditer(page(name))]


class Shell:
    """Runs blocks as a reader would, in one directory, with a service file that names the databases."""

    def __init__(self, directory: Path, binaries: Path, **databases: str) -> None:
        self.directory = directory
        services = directory / ".pg_service.conf"
        services.write_text("".join(f"[{name}]\n{_settings(url)}\n" for name, url in databases.items()))
        kept = {name: text for name, text in os.environ.items() if not name.startswith(("PG", "TRUEUP_"))}
        path = os.pathsep.join([str(Path(sys.executable).parent), str(binaries), kept.get("PATH", "")])
        self.environment = {**kept, "PATH": path, "PGSERVICEFILE": str(services), "HOME": str(directory)}

    def run(self, found: list[Block], **more: str) -> list[str]:
        """Run the blocks; return what each printed. Fails for a command that failed, naming it."""
        failed = self.directory / ".failed"
        failed.write_text("")
        script = [
            'trap \'printf "%s %s\\n" "$?" "$BASH_COMMAND" >> .failed\' ERR',
            *(f"{_as_shell(block)}\nprintf '\\n\\001'" for block in found),
        ]
        done = subprocess.run(
            ["bash", "-u"],
            input="\n".join(script),
            cwd=self.directory,
            env={**self.environment, **more},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        wrong = [line for line in failed.read_text().splitlines() if not _is_report(line)]
        printed = done.stdout.split("\n\001")[:-1]
        assert not wrong, "\n".join([*wrong, done.stderr, done.stdout])
        assert len(printed) == len(found), done.stderr
        return printed


def _settings(url: str) -> str:
    return "\n".join(f"{name}={text}" for name, text in conninfo_to_dict(url).items())


def _as_shell(block: Block) -> str:
    if block.file:
        return f"cat > {block.file} <<'END_OF_FILE'\n{block.text}END_OF_FILE"
    match block.language:
        case "sh":
            return block.text
        case "sql":
            return f"psql -X -q -v ON_ERROR_STOP=1 <<'END_OF_FILE'\n{block.text}END_OF_FILE"
        case "python":
            return f"python - <<'END_OF_FILE'\n{block.text}END_OF_FILE"
        case "text":
            return ":"
    raise AssertionError(f"a block is fenced as {block.language or 'nothing'}")


def _is_report(line: str) -> bool:
    # options of the program itself stand before the command
    bare = re.sub(r"^(\d+ trueup)(?: --log-\w+ \S+)+", r"\1", line)
    return bare.startswith(tuple(f"1 trueup {name}" for name in REPORTING))


@pytest.fixture
def binaries(databases: Databases) -> Path:
    """The directory of psql and pg_dump of the server's release."""
    return server.find_binaries(databases.server.version).directory


@pytest.fixture
def reader(open_directory: Path, incident_database: str, empty_database: str, binaries: Path) -> Shell:
    """A reader of the pages, with the incident's legacy database and one of a shop."""
    sql(empty_database, "create table orders (id bigint primary key, customer text)")
    return Shell(open_directory, binaries, bookings=incident_database, shop=empty_database)


@pytest.mark.one_server
def test_the_readme_runs(reader: Shell) -> None:
    found = blocks("README.md")
    printed = reader.run(found)
    (demo,) = [text for block, text in zip(found, printed, strict=True) if block.text == "trueup demo\n"]
    _compare(_between("demo"), demo)


def _between(marker: str) -> str:
    found = re.search(rf"<!-- {marker} -->\n```text\n(.*?)```\n<!-- /{marker} -->", page("README.md"), re.S)
    assert found is not None
    return found[1]


def _compare(told: str, printed: str) -> None:
    """Every line of the README was printed, in that order; `...` stands for lines left out."""
    lines = iter(_timeless(printed).splitlines())
    for line in _timeless(told).splitlines():
        if line.strip() != "...":
            assert line.rstrip() in (other.rstrip() for other in lines), line


def _timeless(text: str) -> str:
    return re.sub(r"\d+\.\d+ s\b", "N s", text)


@pytest.mark.one_server
def test_the_page_of_the_dba_runs_and_leaves_nothing(
    reader: Shell, incident_database: str, binaries: Path
) -> None:
    before = _schema(incident_database, binaries)
    trueup.adopt(database=incident_database, apply=True)
    trueup.repair(database=incident_database, apply=True)
    trueup.enforce(database=incident_database)
    name = str(conninfo_to_dict(incident_database)["dbname"])
    found = [
        Block(
            block.language,
            block.text.replace("--database-name bookings", f"--database-name {name}"),
            block.file,
        )
        for block in blocks("db/README.md")
    ]
    assert "trueup uninstall --database-name" in found[-2].text
    try:
        reader.run(found, PGSERVICE="bookings")
    finally:
        sql(incident_database, "drop role if exists nightly, salon_dashboard")
    assert _schema(incident_database, binaries) == before


def _schema(url: str, binaries: Path) -> str:
    done = subprocess.run(
        [binaries / "pg_dump", "--schema-only", "-d", url], capture_output=True, text=True, check=True
    )
    # newer releases put a random word at the beginning and the end
    return re.sub(r"^\\(un)?restrict .*$", "", done.stdout, flags=re.M)


@pytest.mark.one_server
def test_a_contributor_can_follow_the_steps(open_directory: Path, binaries: Path, database: str) -> None:
    for folder in ("checks", "triggers", "db", "migrations"):
        shutil.copytree(ROOT / folder, open_directory / folder, ignore=shutil.ignore_patterns("__pycache__"))
    (open_directory / "tests" / "pgtap").mkdir(parents=True)
    shell = Shell(open_directory, binaries)
    try:
        printed = shell.run(blocks("CONTRIBUTING.md"))
    finally:
        server.stop(open_directory / ".cache" / "dev")

    (tried,) = [text for text in printed if "would be corrected" in text]
    told = [
        "deployed  checks/customer_name_padded.sql: new",
        "customer_name_padded: customer 1: the name begins or ends with a space",
        "1 would be corrected, 0 for people",
        "1 corrected, 0 for people",
        "1 checks in",
        " 0 violations",
    ]
    assert re.search(".*".join(map(re.escape, told)), tried, re.S), tried

    trueup.migrate(database=database, pack=open_directory)
    assert pgtap_runner.run(open_directory / "tests" / "pgtap" / "customer_name_padded.sql", database) == 4


def test_the_example_of_the_contributor_is_not_in_the_pack() -> None:
    assert not [check for check in trueup.catalog() if check.name == "customer_name_padded"]


def test_the_tables_of_the_pages_are_current() -> None:
    for path, text in write_readme.pages().items():
        assert text == path.read_text(encoding="utf-8"), f"make readme renews {path.name}"


def slugs(name: str) -> set[str]:
    """Return the anchors of a page as GitHub makes them."""
    headings = re.findall(r"^#+ (.+)$", BLOCK.sub("", page(name)), re.M)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("name", PAGES)
def test_links_resolve(name: str) -> None:
    for found in LINK.finditer(BLOCK.sub("", page(name))):
        target, _, anchor = found["target"].partition("#")
        if target.startswith(("http://", "https://")):
            continue
        path = (ROOT / name).parent / target if target else ROOT / name
        assert path.exists(), found[0]
        if anchor:
            assert anchor in slugs(str(path.resolve().relative_to(ROOT))), found[0]


@pytest.mark.parametrize("name", PAGES)
def test_files_that_are_named_exist(name: str) -> None:
    for path in re.findall(r"`((?:tests|db|triggers|src|migrations|checks)/[\w./]*)`", page(name)):
        if "customer_name_padded" not in path:
            assert (ROOT / path).exists(), path


def commands(
    command: click.Command = command_line.cli, names: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Yield every command with the words that call it."""
    yield names, command
    if isinstance(command, click.Group):
        context = click.Context(command)
        for name in command.list_commands(context):
            each = command.get_command(context, name)
            assert each is not None
            yield from commands(each, (*names, name))


COMMANDS = dict(commands())
TOOLS = [names for names, command in COMMANDS.items() if names and not isinstance(command, click.Group)]


@pytest.mark.parametrize("name", PAGES)
def test_commands_that_are_only_named_exist(name: str) -> None:
    text = page(name)
    told = SHOWN.findall(BLOCK.sub("", text))
    for block in blocks(name):
        if block.language == "text":
            told += re.findall(r"\b(trueup (?!brought|-)[a-z].*)$", block.text, re.M)
    for line in told:
        words = shlex.split(line.split(" #")[0].replace("…", "").split(" > ")[0].split(" 2>&1")[0])[1:]
        names: tuple[str, ...] = ()
        while words and (*names, words[0]) in COMMANDS:
            names = (*names, words.pop(0))
        assert names or line in ("trueup <command>", "trueup migration lock"), line
        options = {option for parameter in COMMANDS[names].params for option in parameter.opts} | {"--help"}
        assert {word.partition("=")[0] for word in words if word.startswith("--")} <= options, line


@pytest.mark.parametrize("names", COMMANDS, ids=" ".join)
def test_help_exists_and_has_an_example(names: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        command_line.main([*names, "--help"])
    assert ended.value.code == 0
    said = capsys.readouterr().out
    if not names:
        assert all(f"\n    {code}  " in said for code in range(5)), "the exit codes"
        return
    assert COMMANDS[names].help
    if names in TOOLS:
        assert re.search(rf"Examples?:\s+trueup {' '.join(names)}\b", said), said


EXAMPLE = re.compile(r"^(?:Example: |  )(trueup .*)$", re.M)
EXAMPLES = [
    pytest.param(names, line, id=line)
    for names, command in COMMANDS.items()
    for line in EXAMPLE.findall(command.epilog or "")
]
# run elsewhere: the README's test, the acceptance test, the test of db/README.md
ELSEWHERE = (
    "trueup metrics --port 9188",  # serves until it is told to end: test_metrics
    "trueup run --config /etc/trueup.toml --metrics-port 9188",
    "trueup demo",
    "trueup demo --format json",
    # tests/test_web.py: these serve until they are told to stop, or ask for a password
    "trueup web",
    "trueup web --host 0.0.0.0 --tls-cert console.pem --tls-key console.key",
    "trueup web user add ann --company 7",
    "trueup web user password ann",
    "trueup uninstall --database service=bookings --database-name bookings --dump alerts.jsonl --apply",
    # on a terminal
    "trueup top",
    "trueup top --every 10s",
    "trueup review walk --as ann --company 7",
)


@pytest.fixture(scope="module")
def adopted(databases: Databases) -> Iterator[tuple[str, Shell]]:
    """The incident's database as a user has it after some days, and a shell that knows it."""
    names = [databases.create(databases.incident()), databases.create()]
    bookings, shop = (databases.server.url(name) for name in names)
    trueup.adopt(database=bookings, apply=True)
    trueup.repair(database=bookings, apply=True)
    sql(shop, "create table orders (id bigint primary key, customer text)")
    directory = Path(tempfile.mkdtemp())
    directory.chmod(0o755)
    (directory / "queries").mkdir()
    (directory / "queries" / "save_call.sql").write_text("select c.id from calls as c where c.id = $1")
    (directory / "bookings.json").write_text('{"status": "success", "data": [], "pagination": {}}')
    (directory / ".local" / "share" / "bash-completion" / "completions").mkdir(parents=True)
    found = server.find_binaries(databases.server.version).directory
    shell = Shell(directory, found, bookings=bookings, shop=shop)
    with serving() as hook:
        shell.environment["TRUEUP_NOTIFY_CHANNELS_OPS_KIND"] = "webhook"
        shell.environment["TRUEUP_NOTIFY_CHANNELS_OPS_URL"] = hook.url
        yield bookings, shell
    for name in ("demo-data", "server-data"):
        if (directory / name).exists():
            server.stop(directory / name)
    shutil.rmtree(directory)
    for made in names:
        databases.drop(made)


@pytest.mark.one_server
@pytest.mark.parametrize(("names", "line"), EXAMPLES)
def test_examples_of_help_run(
    names: tuple[str, ...],
    line: str,
    adopted: tuple[str, Shell],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if line in ELSEWHERE:
        pytest.skip("run by another test")
    url, shell = adopted
    line = prepared(line, url)
    if line.startswith("trueup server"):  # not the demo's, which may be made later or by another process
        line = line.replace("./demo-data", "./server-data")
        server.start(shell.directory / "server-data")
    (shell.directory / "trueup.toml").touch()
    (shell.directory / "webhooks.jsonl").write_text('{"triggerEvent": "PING", "payload": {}}\n')
    if re.search(r"[|&>]", line):
        shell.run([Block("sh", line, None)], TRUEUP_DATABASE_URL=url)
        return
    monkeypatch.chdir(shell.directory)
    for name, text in {**shell.environment, "TRUEUP_DATABASE_URL": url}.items():
        monkeypatch.setenv(name, text)
    code = 0
    try:
        command_line.main(shlex.split(line)[1:])
    except SystemExit as ended:
        code = int(ended.code or 0)
    assert code == 0 or _is_report(f"{code} {line}"), line
    if line.startswith("trueup rollback"):  # the others share the database
        trueup.migrate(database=url)


def prepared(line: str, url: str) -> str:
    """Return an example with ids that exist: a claimed item, an open alert, a repair, a day to come."""
    line = line.replace("postgresql://postgres@localhost/bookings", shlex.quote(url))
    line = line.replace("/etc/trueup.toml", "trueup.toml")
    soon = (datetime.now(UTC) + timedelta(days=30)).date().isoformat()
    line = re.sub(r"\d{4}-\d\d-\d\d", soon, line)
    if " review " in line:
        reason, entity = "asked_by_the_salon", "1"
        if "--repair" in line:
            reason = "call_backlink_missing"
            entity = value(
                url, "select min(c.id)::text from public.calls as c where c.appointment_id is not null"
            )
            behind(url, f"update public.calls set appointment_id = null where id = {entity}")
        item = value(url, "select trueup.queue_review(%s, 'call', %s, 'to try an example')", reason, entity)
        sql(
            url,
            "update trueup.manual_review_queue set status = 'pending', claim_token = null, claimed_by = null,"
            " claimed_at = null, lease_expires_at = null, snoozed_until = null, assigned_to = null where id = %s",
            item,
        )
        if "TOKEN" in line or " reopen " in line:
            claim = trueup.review.claim(item, "ann", database=url)
            line = line.replace("TOKEN", str(claim.token))
            if " reopen " in line:
                trueup.review.dismiss(item, claim.token, "to be reopened", database=url)
        return re.sub(r"\b12\b(?! or)", str(item), line, count=1)
    if " alerts " in line:
        alert = value(url, "select max(id) from trueup.data_consistency_alerts where status <> 'resolved'")
        return re.sub(r"\b31\b", str(alert), line, count=1)
    if " events show" in line or " events retry 12" in line:
        events = sql(
            url,
            "insert into trueup.webhook_events (provider, event_type, body, body_hash, status) "
            "select 'retell', 'call_ended', '{}', gen_random_uuid()::text, 'parked' from generate_series(1, 2) returning id",
        )
        for number, (event,) in zip(("12", "13"), events, strict=True):
            line = re.sub(rf"\b{number}\b", str(event), line)
        return line
    if " web user " in line:
        sql(url, "delete from trueup.console_users")
        if " add " not in line:
            sql(url, "insert into trueup.console_users (name, role) values ('ann', 'reviewer')")
        return line
    if "--undo" in line:
        return line.replace(
            "17", str(value(url, "select max(id) from trueup.repairs where undone_at is null"))
        )
    return line


def behind(url: str, text: str) -> None:
    """Write with the triggers of the tables off."""
    sql(
        url,
        "begin; alter table public.calls disable trigger user; "
        f"{text}; set constraints all immediate; alter table public.calls enable trigger user; commit",
    )
