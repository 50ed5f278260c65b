"""The report: its figures are those of the database, and honest; its three forms show text as text."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from collections.abc import Iterator
from datetime import timedelta
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
from helpers import ROOT, plant, run, sql, value
from test_roles import Logins

import trueup
from trueup.cli import main
from trueup.errors import NotFoundError, UsageError
from trueup.operating import report as reporting
from trueup.operating.report import Report, build, render

pytestmark = pytest.mark.one_server

HISTORY = Path(__file__).with_name("report_history.sql")
VOID = {"meta", "link", "br", "hr", "img", "input"}
HOSTILE = "<script>alert(1)</script> | `x` **y** [z](http://evil.example) @team #1 \u202e\n&amp; \"'>"


@pytest.fixture
def login(database: str) -> Iterator[Logins]:
    made = Logins(database)
    yield made
    for name in made.made:
        sql(database, f"drop owned by {name}; drop role {name}")


class Page(HTMLParser):
    """Reads a page, and fails for one that is not well formed."""

    def __init__(self, text: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert not self.open, self.open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert len(dict(attrs)) == len(attrs), (tag, attrs)
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag, f"</{tag}> at {self.getpos()}"

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] != "style":
            self.words.append(data)

    @property
    def text(self) -> str:
        """What a reader sees, on one line."""
        return " ".join(" ".join(self.words).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


def page_of(report: Report) -> Page:
    """Return the HTML of a report, after looking whether it stands alone and can be read by everybody."""
    text = render(report, "html")
    page = Page(text)
    style = re.search(r"<style>(.*?)</style>", text, re.S)
    assert style is not None
    seal = base64.b64encode(hashlib.sha256(style[1].encode()).digest()).decode()
    (policy,) = [m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy"]
    assert policy is not None
    assert policy.startswith(f"default-src 'none'; style-src 'sha256-{seal}'")
    assert not re.search(r"url\((?!#)|@import|http", style[1])
    assert "prefers-color-scheme: dark" in style[1]
    assert re.search(r"@media print.*size: A4", style[1], re.S)
    assert {name for name, _ in page.elements}.isdisjoint(
        {"script", "img", "link", "iframe", "object", "form", "a:b"}
    )
    ids = [str(a["id"]) for _, a in page.elements if "id" in a]
    assert len(ids) == len(set(ids))
    for tag, attributes in page.elements:
        for name, given in attributes.items():
            assert not name.startswith("on"), (tag, name)
            assert name not in ("src", "style", "srcset"), (tag, name)
            if name == "href":
                assert str(given).lstrip("#") in ids
            if name == "aria-labelledby":
                assert given in ids
    assert all(a.get("aria-label") or a.get("aria-hidden") == "true" for a in page.all("svg"))
    assert all(a.get("scope") in ("col", "row") for a in page.all("th"))
    assert all(len(page.all(landmark)) == 1 for landmark in ("header", "main", "footer", "h1"))
    assert page.elements[0] == ("html", {"lang": "en"})
    return page


def test_the_incident_before_and_after(incident_database: str, tmp_path: Path) -> None:
    trueup.adopt(database=incident_database, apply=True)
    trueup.check(database=incident_database)
    before = build(database=incident_database)
    assert (before.consistency.rate, before.consistency.population) == (Decimal("54.36"), 401)
    assert (before.totals.open, before.totals.new, before.totals.repaired) == (262, 262, 0)
    assert before.verdict.level == "bad"
    booked = next(check for check in before.checks if check.name == "call_booked_without_appointment")
    assert (booked.state, booked.open, booked.rows_tested) == ("violated", 23, 44)
    assert run("report", "--fail-under", "90", url=incident_database).returncode == 1

    trueup.repair(database=incident_database, apply=True)
    repaired = build(database=incident_database)
    # a repair counts at once, though its own run measured what was before it
    assert (repaired.consistency.rate, repaired.trend[-1].rate) == (Decimal("96.00"), Decimal("54.36"))

    trueup.check(database=incident_database)
    mode = "select trueup.set_guard_mode('call_backlink_broken', 'enforce', 'ann', %s)"
    for company in ("1", "2"):
        sql(incident_database, mode, company)
    file = tmp_path / "out" / "report.json"
    done = run("report", "--output", file, "--fail-under", "96", url=incident_database)
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    found = json.loads(file.read_text())
    after = build(database=incident_database)
    markdown = render(after, "md")
    assert found["verdict"]["sentences"][:2] == [
        "96.18 % of 419 calls, appointments, customers and other records agree with every rule; 16 do not.",
        "21 alerts are open (16 critical, 1 warning, 4 for information), and 16 questions wait for a person.",
    ]
    assert (found["totals"]["resolved"], found["totals"]["repaired"]) == (242, 188)
    created = [r for r in found["repairs"]["items"] if r["reason"] == "created from the provider booking"]
    assert [(r["name"], r["repairs"], r["examples"]) for r in created] == [
        ("call_booked_without_appointment", 13, ["call 19", "call 25", "call 43"])
    ]
    assert "booking_uid" in created[0]["evidence"]
    assert [(c["company_id"], c["rate"], c["critical"]) for c in found["companies"]["items"]] == [
        ("1", 97.25, 7),
        ("2", 96.87, 5),
    ]
    assert {guard["mode"] for guard in found["guards"]} == {"observe"}
    own = {guard["name"]: guard["companies"] for guard in found["guards"] if guard["companies"]}
    assert own == {"call_backlink_broken": {"1": "enforce", "2": "enforce"}}
    assert (
        "- `call_backlink_broken` has a mode of its own for company 1: enforce, company 2: enforce"
        in markdown
    )
    assert "company 1: enforce" not in render(build(database=incident_database, company="2"), "md")
    assert "company 1: enforce; company 2: enforce" in render(after, "html")
    assert [(r["kind"], r["complete"]) for r in found["runs"]] == [("full", 2), ("repair", 1)]
    assert [point["rate"] for point in found["trend"]] == [54.36, 54.36, 96.18]
    assert markdown.startswith("## Consistency of ")
    assert "| 13 | created from the provider booking | `call_booked_without_appointment` |" in markdown
    assert len(markdown) < 65_536, "a comment of a pull request"

    page = page_of(after)
    for told in ("96.18 %", "created from the provider booking", "every customer belongs to a company"):
        assert told in page.text
    personal = sql(
        incident_database,
        "select c.from_number from public.calls as c where c.from_number ~ '[0-9]{6}' "
        "union select c.customer_name from public.calls as c where length(c.customer_name) > 6 "
        "union select k.name from public.customers as k union select k.email from public.customers as k where k.email > ''",
    )
    everything = render(after, "json") + render(before, "json")
    assert len(personal) > 50
    assert not [word for (word,) in personal if word in everything]


def test_empty_is_consistent_and_never_checked_is_unknown(database: str) -> None:
    never = build(database=database)
    assert (never.consistency.rate, never.verdict.level) == (None, "unknown")
    assert {check.state for check in never.checks} == {"unknown"}
    assert "Open alerts 0 nobody has looked yet" in page_of(never).text
    assert run("report", "--fail-under", "0", url=database).returncode == 3
    trueup.check(database=database)
    empty = build(database=database)
    assert (empty.consistency.rate, empty.consistency.population, empty.verdict.level) == (
        Decimal(100),
        0,
        "good",
    )
    assert {check.state for check in empty.checks} == {"clean"}
    page_of(empty)
    assert run("report", "--fail-under", "100", url=database).returncode == 0


def test_figures_are_honest(database: str) -> None:
    def rate(**wanted: Any) -> tuple[Decimal | None, int]:
        found = build(database=database, **wanted)
        return found.consistency.rate, found.totals.open

    plant(
        database,
        "select factory.company(1); select factory.company(2);"
        "select factory.call(id => i) from generate_series(1, 8) as i;"
        "select factory.call(id => 9, company_id => 2, call_type => null, status => 'ended')",
    )
    trueup.check(database=database)
    info = rate()
    assert info == (Decimal(100), 1), "what is incomplete lowers nothing"
    plant(
        database,
        "update public.calls set customer_name = 'hallo', customer_link_status = 'name_only' where id in (1, 2)",
    )
    trueup.check(database=database)
    once = rate()
    trueup.check(database=database)
    assert rate() == once, "seen again is one alert"
    population = value(database, "select max(population) from trueup.consistency_rates")
    assert once[0] == Decimal(10000 * (population - 2) // population) / 100, (
        "two alerts of a call are one wrong call"
    )
    assert rate(company="2")[0] == 100

    for alert in trueup.alerts.list_alerts(entity_id="1", database=database):
        trueup.alerts.accept(alert.id, "known", database=database)
    accepted = build(database=database)
    assert accepted.consistency.wrong == 1

    # an alert of an application counts in both, the run and the report; of a check with
    # several kinds of entities a flood counts once
    failed = value(database, "select alert_id from trueup.fail_booking(1, 6, 'provider answered 500')")
    wrong = max(rate.wrong or 0 for rate in trueup.check(database=database).rates)
    assert (wrong, build(database=database).consistency.wrong) == (2, 2)
    plant(
        database,
        "select factory.legacy('calls_company_id_customer_id_fkey'); "
        "select factory.customer(1, company_id => 2); update public.calls set customer_id = 1 where id in (7, 8)",
    )
    wrong = max(rate.wrong or 0 for rate in trueup.check(database=database, max_alerts=1).rates)
    # the report counts what floods stand for row by row, the run each entity once
    assert wrong == 4 <= (build(database=database).consistency.wrong or 0) <= 6
    plant(database, "update public.calls set customer_id = null where id in (7, 8)")
    trueup.alerts.accept(failed, "known", database=database)
    trueup.check(database=database)
    assert any("accepted" in note for note in accepted.notes)

    # too many at once: one alert, and the rate is no better for it
    plant(database, "update public.calls set customer_name = 'hallo' where id in (3, 4, 5)")
    trueup.check(database=database, max_alerts=1)
    flooded = build(database=database)
    assert flooded.totals.unlisted == 3
    assert flooded.consistency.wrong == 4
    assert any("not listed one by one" in note for note in flooded.notes)

    sql(database, "drop view trueup.call_unknown_number cascade")
    trueup.check(database=database)
    broken = build(database=database)
    assert [check.name for check in broken.unknown] == ["call_unknown_number"]
    assert any("1 check could not be evaluated" in sentence for sentence in broken.verdict.sentences)
    assert "call_unknown_number" not in {check.name for check in broken.clean}
    assert "failed (42P01)" in page_of(broken).text
    assert broken.exit_code(Decimal(0)) == 3
    # a part of the checks measures no rate, and a run that failed in part draws no point
    assert broken.trend == flooded.trend


def test_what_runs_and_repairs_close_was_decided_by_nobody(database: str) -> None:
    plant(
        database,
        "select factory.company(1);"
        "select factory.call(id => i, customer_name => 'hallo') from generate_series(1, 3) as i;"
        "update public.calls set customer_link_status = 'name_only'",
    )
    trueup.check(database=database)
    sql(
        database,
        "select trueup.queue_review('call_transcript_name', 'call', i::text, 'x') from generate_series(1, 3) as i",
    )
    # one is mended by the job of the schedule, one by hand, and of one a person decides
    sql(database, "select trueup.apply_repair('call_transcript_name', 'call', '1', 'trueup run')")
    mend = "update public.calls set customer_name = null, customer_link_status = 'anonymous' where id = "
    plant(database, mend + "2")
    trueup.check(database=database)
    claim = trueup.review.next_item("run 9", database=database)
    assert claim is not None
    plant(database, mend + "3")
    trueup.review.resolve(claim.item.id, claim.token, database=database)
    queue = build(database=database).queue
    assert (queue.decided, queue.decided_in_time, queue.settled) == (1, 1, 2)


def test_a_slot_that_is_run_again_is_one_slot(database: str) -> None:
    sql(
        database,
        "insert into trueup.runners (host, pid, version, application, silent_after) values ('h', 1, '0', 'x', '1 min');"
        "insert into trueup.job_runs (job, slot, attempt, runner_id, deadline_at, finished_at, outcome) "
        "select 'full', now(), n.i, 1, now(), now(), case n.i when 1 then 'abandoned' else 'done' end "
        "from generate_series(1, 2) as n (i)",
    )
    (job,) = build(database=database).jobs
    assert (job.slots, job.done, job.abandoned) == (1, 1, 1)


def test_days_begin_at_midnight_after_the_clocks_have_changed_too(database: str) -> None:
    """In Berlin 26 October 2025 had 25 hours."""
    moments = ("2025-10-25 12:00+02", "2025-10-26 12:00+01", "2025-10-26 23:30+01", "2025-10-27 12:00+01")
    for number, moment in enumerate(moments):
        sql(
            database,
            "insert into trueup.data_consistency_alerts (alert_type, severity, entity_type, entity_id, description, detected_at) "
            "values ('x', 'warning', 'call', %s, 'x', %s)",
            str(number),
            moment,
        )
    begins = [
        ("2025-10-25T00:00:00+02:00", 1),
        ("2025-10-26T00:00:00+02:00", 2),
        ("2025-10-27T00:00:00+01:00", 1),
    ]
    period = ("--since", "2025-10-20", "--until", "2025-10-28")
    for zone in ({"TRUEUP_REPORT_ZONE": "Europe/Berlin"}, {"TZ": "Europe/Berlin"}):
        said = run("report", *period, "--format", "json", url=database, **zone).stdout
        assert [(step["begins_at"], step["new"]) for step in json.loads(said)["flow"]] == begins, zone
        page = run("report", *period, "--format", "html", url=database, **zone).stdout
        for told in ("25 Oct 2025: 1 new", "26 Oct 2025: 2 new", "27 Oct 2025: 1 new"):
            assert told in page, (zone, told)


def test_months_of_history(database: str) -> None:
    sql(database, HISTORY.read_text())
    found = build(database=database, since=timedelta(days=100))
    # five nights without a run, one with a check that failed
    assert (found.missed, [gap.missed for gap in found.gaps.items]) == (6, [1, 5])
    assert [point.follows for point in found.trend].count(False) == 3
    # one fewer before two o'clock at night
    ran = "select count(*) from trueup.check_runs where kind = 'full' and status = 'complete' and started_at <= now()"
    assert len(found.trend) == value(database, ran) in (83, 84)
    assert all(0 <= point.rate <= 100 for point in found.trend)
    assert any("number of checks changed" in note for note in found.notes)
    assert sum(step.new for step in found.flow) == found.totals.new > 500
    assert sum(step.reopened for step in found.flow) == found.totals.reopened > 20
    assert 0 < found.queue.decided_in_time < found.queue.decided
    assert (found.writers[0].application, found.writers[0].role) == ("voice-agent 4.2", "salon")
    assert [check.name for check in found.slowest][:2] == ["call_duplicate", "appointment_staff_overlap"]
    assert page_of(found).text.count("voice-agent") == 1
    assert "runs are missing" in page_of(found).text

    week = build(database=database, until=found.until - timedelta(days=30))
    assert week.since == week.until - timedelta(days=7)
    assert week.totals.new == sum(step.new for step in week.flow) < found.totals.new
    assert week.consistency.before is not None
    assert week.totals.open == found.totals.open, "what is open is open now"

    one = build(database=database, company="3", since=timedelta(days=100))
    assert one.consistency.population == 4000
    assert one.totals.new < found.totals.new
    with pytest.raises(NotFoundError, match="company 77"):
        build(database=database, company="77")
    with pytest.raises(UsageError, match="ends"):
        build(database=database, since=found.until + timedelta(days=1))


def test_long_lists_are_cut_and_counted(database: str) -> None:
    sql(
        database,
        """
        insert into trueup.data_consistency_alerts
            (company_id, alert_type, severity, entity_type, entity_id, description)
        select (1 + i % 200)::text, 'call_duplicate', 'warning', 'call', i::text, 'cause ' || chr(97 + i % 26) || md5(i::text)
        from generate_series(1, 20000) as i
        """,
    )
    found = build(database=database)
    assert (found.totals.open, len(found.companies.items), found.companies.more) == (20_000, 12, 188)
    assert len(found.causes) == 12
    for form in reporting.FORMS:
        text = render(found, form)
        assert len(text) < 100_000
        assert form == "json" or "and 188 more companies" in text


def test_what_the_database_holds_stays_text(database: str) -> None:
    sql(
        database,
        """
        insert into trueup.data_consistency_alerts
            (company_id, alert_type, severity, entity_type, entity_id, description, metadata)
        values (%(x)s, %(x)s, 'critical', %(x)s, %(x)s, %(x)s,
            jsonb_build_object('written_by', jsonb_build_object('application', %(x)s::text, 'role', %(x)s::text)));
        """.replace("%(x)s", "'" + HOSTILE.replace("'", "''") + "'"),
    )
    text = "'" + HOSTILE.replace("'", "''") + "'"
    sql(
        database,
        f"""
        insert into trueup.repairs (check_name, entity_type, entity_id, reason, evidence)
        values ({text}, {text}, {text}, {text}, jsonb_build_object({text}, 1));
        update trueup.guards set changed_by = {text};
        """,
    )
    sql(database, "select trueup.queue_review(%s, 'call', '1', %s)", HOSTILE, HOSTILE)
    found = build(database=database, company=HOSTILE)
    page = page_of(found)
    shown = " ".join(HOSTILE.replace("\u202e", "\N{REPLACEMENT CHARACTER}").split())
    assert page.text.count(shown) > 5
    assert build(database=database).companies.items[0].company_id == HOSTILE
    page_of(build(database=database))

    for wanted in (found, build(database=database)):
        markdown = render(wanted, "md")
        outside = re.sub(r"`[^`\n]*`", "", markdown)
        assert "alert(1)" in outside
        assert not re.search(r"[<>@]|\u202e|(?<!\\)\]\(|://|(?<!\\)\*\*y|(?<!&)#1", outside)
        for block in re.findall(r"(?:^\|.*\n)+", markdown, re.M):
            assert len({len(re.findall(r"(?<!\\)\|", line)) for line in block.splitlines()}) == 1, block
    assert json.loads(render(found, "json"))["company"] == HOSTILE


def test_who_may_read_it_and_that_nothing_is_written(
    database: str, login: Logins, monkeypatch: pytest.MonkeyPatch
) -> None:
    trueup.check(database=database)
    readers = [login(role) for role in ("trueup_dashboard", "trueup_runner")]
    monkeypatch.setenv("PGOPTIONS", "-c default_transaction_read_only=on")
    for reader in readers:
        assert build(database=reader).consistency.rate == 100
    monkeypatch.delenv("PGOPTIONS")
    for file in (ROOT / "src/trueup/statements").glob("report_*.sql"):
        assert not re.search(r"\b(public|pg_temp)\.|^(insert|update|delete)", file.read_text(), re.M), (
            file.name
        )


def test_jobs_of_the_scheduler_are_told(database: str) -> None:
    sql(
        database,
        """
        insert into trueup.runners (host, pid, version, application, silent_after) values ('a', 1, '0', 'x', '1 min');
        insert into trueup.job_runs (job, slot, runner_id, deadline_at, outcome, finished_at)
        select 'full', now() - make_interval(days => i), 1, now(), case when i = 2 then 'failed' else 'done' end, now()
        from generate_series(1, 4) as i;
        """,
    )
    (job,) = build(database=database).jobs
    assert (job.job, job.slots, job.done, job.failed) == ("full", 4, 3, 1)


def test_options_and_configuration(
    database: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)

    def called(*options: str, **environment: str) -> tuple[int, str, str]:
        with monkeypatch.context() as patched:
            for name, text in environment.items():
                patched.setenv(name, text)
            with pytest.raises(SystemExit) as ended:
                main(["report", "--database", database, *options])
        return int(ended.value.code or 0), *capsys.readouterr()

    _, said, _ = called("--format", "json", "--since", "2025-10-01", TRUEUP_REPORT_ZONE="Europe/Berlin")
    berlin = json.loads(said)
    assert (berlin["since"], berlin["zone"]) == ("2025-10-01T00:00:00+02:00", "Europe/Berlin")
    _, said, _ = called("--format", "json", TRUEUP_REPORT_SINCE="2d")
    assert json.loads(said)["step_s"] == 3600
    for name, begins in (("a.html", "<!doctype html>"), ("a.md", "## Consistency"), ("a.json", "{")):
        assert called("--output", name) == (0, "", "")
        assert Path(name).read_text().startswith(begins)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.html", "a.json", "a.md"]
    for options, told in (
        (("--since", "yesterday"), "'yesterday' is no time"),
        (("--since", "9999999d"), "before all time"),
        (("--until", "2001-01-01", "--since", "2002-01-01"), "before it begins"),
        (("--fail-under", "101"), "is no rate"),
        (("--output", "a.md/b.md"), "cannot be written"),
        (("--output", ""), "--output names no file"),
        (("--company", "9"), "no run and no alert knows company 9"),
    ):
        code, _, error = called(*options)
        assert (code, told in error) == (2, True), error
    code, _, error = called(TRUEUP_REPORT_ZONE="Mars/Olympus")
    assert (code, "is no time zone" in error) == (2, True)


def test_the_keys_of_the_json_are_documented(database: str) -> None:
    sql(database, HISTORY.read_text())
    found = json.loads(render(build(database=database, since=timedelta(days=100)), "json"))
    told = {
        name
        for line in re.findall(
            r"^\| (`.*) \|$", (ROOT / "docs/report.md").read_text().partition("## JSON")[2], re.M
        )
        for name in re.findall(r"`([a-z_]+)`", line)
    }

    def keys(thing: Any) -> set[str]:
        if isinstance(thing, dict):
            return set(thing) | {key for each in thing.values() for key in keys(each)}
        return {key for each in thing for key in keys(each)} if isinstance(thing, list) else set()

    assert keys(found) - {"items", "more"} <= told
    assert told - {"trueup", "full", "repair"} <= keys(found) | {"job", "slots", "done", "abandoned"}


def luminance(colour: str) -> float:
    parts = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    red, green, blue = (
        part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    light, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_colours_can_be_told_apart_from_their_ground() -> None:
    """AA of WCAG 2.2: 4.5 for text, 3 for what is drawn."""
    style = (ROOT / "src/trueup/templates/report.css").read_text()
    themes = [
        dict(re.findall(r"--([\w-]+): (#[0-9a-f]{6})\b", block))
        for block in re.findall(r":root \{(.*?)\}", style, re.S)
    ]
    themes = [{**themes[0], **theme, "card": theme.get("card", "#ffffff")} for theme in themes]
    assert len(themes) == 3, "light, dark, printed"
    for theme in themes:
        for name in ("ink", "soft", "accent", "good", "critical", "warning", "info", "unknown"):
            assert contrast(theme[name], theme["card"]) >= 4.5, name
            assert contrast(theme[name], theme["paper"] if len(theme["paper"]) == 7 else "#ffffff") >= 4.5, (
                name
            )
            if f"{name}-soft" in theme and name != "accent":
                assert contrast(theme[name], theme[f"{name}-soft"]) >= 4.5, name
        for name in ("came", "went", "accent"):
            assert contrast(theme[name], theme["card"]) >= 3, name
