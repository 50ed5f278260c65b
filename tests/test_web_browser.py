"""The review console in a real browser: two people, keys alone, a telephone, no script, German."""

from __future__ import annotations

import os
import re
import shutil
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import psycopg
import pytest
from conftest import Databases
from console import PASSWORD, add_people, console_database, emptied, quick
from helpers import plant, sql, value
from playwright.sync_api import Browser, Page, expect, sync_playwright
from rows import flagged_call, queue

from trueup.operating.config import Web
from trueup.web import users
from trueup.web.app import create_app
from trueup.web.serving import address_of, bound

pytestmark = pytest.mark.one_server

Connection = psycopg.Connection[Any]
CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
# --no-sandbox: the suite may be run by root; the rest keeps the browser from asking for anything elsewhere
FLAGS = (
    ["--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking"]
    + ["--disable-component-update", "--disable-sync"]
    + (["--no-sandbox"] if os.geteuid() == 0 else [])
)
PAGES = (
    "/",
    "/?status=dismissed",
    "/items/{}",
    "/alerts/",
    "/alerts/1",
    "/runs",
    "/runs/1",
    "/guards",
    "/log",
    "/account",
)
# the least contrast of text with what is behind it, over the whole page
CONTRAST = """() => {
    const parts = (colour) => colour.match(/[\\d.]+/g).map(Number);
    const light = ([r, g, b]) => [r, g, b].map((c) => c / 255)
        .map((c) => (c <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4))
        .reduce((sum, c, i) => sum + c * [0.2126, 0.7152, 0.0722][i], 0);
    const behind = (element) => {
        for (let e = element; e; e = e.parentElement) {
            const colour = parts(getComputedStyle(e).backgroundColor);
            if (colour.length === 3 || colour[3] === 1) return colour;
        }
        return [255, 255, 255];
    };
    let worst = [21, ""];
    for (const e of document.querySelectorAll("body *")) {
        const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
        if (!own || !e.checkVisibility() || e.tagName === "KBD") continue;
        const [a, b] = [light(parts(getComputedStyle(e).color)), light(behind(e))];
        const ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
        if (ratio < worst[0]) worst = [ratio, e.outerHTML.slice(0, 120)];
    }
    return worst;
}"""
# what a screen reader could not name
NAMELESS = """() => [...document.querySelectorAll("input:not([type=hidden]), select, textarea, button, a, summary")]
    .filter((e) => !(e.labels?.length || e.textContent.trim() || e.getAttribute("aria-label") || e.title))
    .map((e) => e.outerHTML)"""


@pytest.fixture(scope="module")
def shared(databases: Databases) -> Iterator[tuple[str, str]]:
    with console_database(databases) as made:
        yield made


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    if CHROMIUM is None:
        pytest.skip("no Chromium is installed: apt-get install chromium")
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=FLAGS)
        yield launched
        launched.close()


@pytest.fixture
def db(shared: tuple[str, str]) -> Iterator[Connection]:
    emptied(shared[0])
    with psycopg.connect(shared[0], autocommit=True) as connection:
        yield connection


@pytest.fixture
def address(shared: tuple[str, str], db: Connection, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where the console is served, by the server that `trueup web` runs."""
    monkeypatch.setattr(users, "_hasher", quick())
    users._nobodys.cache_clear()
    add_people(shared[0])
    web = Web(port=0, poll=timedelta(seconds=1), rate="10000 per minute", threads=12)
    app = create_app(web, shared[1])
    server = bound(web, app)
    serving = threading.Thread(target=server.serve)
    serving.start()
    yield address_of(server).rstrip("/")
    server.stop()
    serving.join()
    app.pool.close()


@contextmanager
def person(browser: Browser, address: str, name: str | None, **options: Any) -> Iterator[Page]:
    """Give a page of a browser of somebody's own; no script error and no refused resource is tolerated."""
    context = browser.new_context(base_url=address, **{"locale": "en-GB", **options})
    context.set_default_timeout(10_000)
    page = context.new_page()
    problems: list[str] = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on(
        "console",
        lambda message: problems.append(message.text) if "Content Security" in message.text else None,
    )
    if name:
        page.goto("/sign-in")
        page.fill("[name=name]", name)
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url("**/")
    yield page
    context.close()
    assert problems == []


def repairable(db: Connection) -> int:
    plant(
        db.info.dsn,
        "select factory.customer(id => 3); "
        'select factory.call(id => 7, customer_id => 3, booking_details => \'{"calcom_booking": {"uid": '
        '"bkDemoUid00000000000000000001", "attendees": [{"timeZone": "Europe/Berlin"}]}}\'); select factory.appointment(id => 70, call_id => 7); '
        "update public.calls set appointment_id = null where id = 7",
    )
    return queue(db, "call_backlink_missing", "7", p_company_id="1", p_description="names no appointment")


def test_two_people_and_one_item(browser: Browser, address: str, db: Connection) -> None:
    item_id = queue(db, "something", "1", p_company_id="1")
    with person(browser, address, "ann") as ann, person(browser, address, "bob") as bob:
        ann.goto(f"/items/{item_id}")
        bob.goto("/")
        bob.get_by_role("link", name="Something").click()
        bob.get_by_role("button", name="Claim").click()
        expect(bob.locator("#state")).to_contain_text("This item is yours")
        # told without being asked
        expect(ann.locator("#state")).to_contain_text("bob works on it")
        expect(ann.get_by_role("button", name="Claim")).to_have_count(0)
        expect(ann.locator("#history")).to_contain_text("claimed bob")
        bob.get_by_role("button", name="Give back").click()
        expect(ann.get_by_role("button", name="Claim")).to_be_visible()
        ann.get_by_role("button", name="Claim").click()
        # a page from before, with its own button
        bob.goto(f"/items/{item_id}")
        bob.evaluate(f"""() => {{
            const form = document.querySelector("form[action='/language']");
            form.action = "/items/{item_id}/claim";
            form.requestSubmit();
        }}""")
        expect(bob.get_by_role("alert")).to_contain_text(f"Item {item_id} is with ann now")
        expect(bob.locator(".history li").first).to_contain_text("claimed ann")


def test_a_claim_that_ran_out_loses_nothing_that_was_typed(
    browser: Browser, address: str, db: Connection
) -> None:
    item_id = queue(db, "something", "1", p_company_id="1")
    with person(browser, address, "ann") as ann, person(browser, address, "bob") as bob:
        ann.goto(f"/items/{item_id}")
        ann.get_by_role("button", name="Claim").click()
        ann.locator("summary", has_text="Dismiss").click()
        ann.locator("details[open] textarea").fill("typed at length")
        db.execute("update trueup.manual_review_queue set lease_expires_at = now() - interval '1 second'")
        expect(ann.locator("#state")).to_contain_text("Your claim ran out")
        expect(ann.locator("#stale")).to_be_visible()
        expect(ann.locator("details[open] textarea")).to_have_value("typed at length")
        bob.goto(f"/items/{item_id}")
        bob.get_by_role("button", name="Claim").click()
        expect(ann.locator("#state")).to_contain_text("bob works on it")
        ann.get_by_role("button", name="It may stay as it is").click()
        expect(ann.get_by_role("alert")).to_contain_text("is with bob now")
        expect(ann.locator("textarea")).to_have_value("typed at length")
    assert value(db.info.dsn, "select status from trueup.manual_review_queue") == "in_progress"


def test_a_repair_by_keys_alone(browser: Browser, address: str, db: Connection) -> None:
    """From the sign-in to the decision without a mouse."""
    queue(db, "something", "1", p_company_id="1", p_severity="critical")
    item_id = repairable(db)
    with person(browser, address, None) as ann:
        ann.goto("/")
        keys = ann.keyboard
        keys.type("ann")
        keys.press("Tab")
        keys.type(PASSWORD)
        keys.press("Enter")
        ann.wait_for_url("**/")
        keys.press("?")
        expect(ann.get_by_role("dialog")).to_be_visible()
        keys.press("Escape")
        expect(ann.get_by_role("dialog")).to_be_hidden()
        for key in "jjk":
            keys.press(key)
        expect(ann.get_by_role("link", name="Something")).to_be_focused()
        keys.press("j")
        keys.press("Enter")
        ann.wait_for_url(f"**/items/{item_id}")
        keys.press("c")
        expect(ann.locator("#state")).to_contain_text("This item is yours")
        preview = ann.locator(".changes")
        expect(preview).to_contain_text("calls 7 · changed")
        expect(preview.get_by_role("row", name="appointment id")).to_contain_text("70")
        assert value(db.info.dsn, "select appointment_id is null from public.calls where id = 7")
        # what is typed into a field is no key
        keys.press("d")
        keys.press("p")
        keys.type("c, x and j: as proposed")
        expect(ann.locator("details[open] textarea")).to_have_value("c, x and j: as proposed")
        keys.press("Control+Enter")
        expect(ann.get_by_role("status")).to_contain_text("is repaired and resolved")
        keys.press("n")
        expect(ann.locator("#state")).to_contain_text("This item is yours")
        for key in "dd":
            keys.press(key)
        keys.type("a test call")
        keys.press("Tab")
        keys.press("Enter")
        expect(ann.locator("#items")).to_contain_text("Nothing waits")
    assert sql(db.info.dsn, "select status from trueup.manual_review_queue order by id") == [
        ("dismissed",),
        ("resolved",),
    ]
    assert value(db.info.dsn, "select appointment_id from public.calls where id = 7") == 70


def test_everything_is_reached_by_tab_and_seen(browser: Browser, address: str, db: Connection) -> None:
    item_id = repairable(db)
    with person(browser, address, "ann") as ann:
        ann.goto(f"/items/{item_id}")
        ann.get_by_role("button", name="Claim").click()
        expect(ann.locator(".changes")).to_be_visible()
        seen: list[tuple[str, str, bool]] = []
        while len(seen) < 80 and not (seen and seen[-1][0] == "end"):
            ann.keyboard.press("Tab")
            seen.append(
                tuple(
                    ann.evaluate("""() => {
                        const e = document.activeElement, style = getComputedStyle(e);
                        const name = e === document.body ? "end" : e.textContent.trim().slice(0, 20);
                        return [name, style.outlineStyle, e.matches(":focus-visible")];
                    }""")
                )
            )
        names = " ".join(name for name, _, _ in seen)
        assert seen[0][0] == "Skip to the content"
        for wanted in (
            "Queue",
            "Sign out",
            "Extend",
            "Give back",
            "Repair",
            "Apply this repair",
            "Dismiss",
            "Hand over",
        ):
            assert wanted in names
        assert [each for each in seen if each[0] != "end" and (each[1] == "none" or not each[2])] == []


@pytest.mark.parametrize(("scheme", "locale"), [("light", "en-GB"), ("dark", "de-DE")])
def test_on_a_telephone(browser: Browser, address: str, db: Connection, scheme: Any, locale: str) -> None:
    """No page is wider than the screen, and every text can be read, in both schemes and languages."""
    item_id = filled(db)
    with person(
        browser,
        address,
        None,
        viewport={"width": 390, "height": 844},
        color_scheme=scheme,
        locale=locale,
        has_touch=True,
    ) as page:
        sql(db.info.dsn, "update trueup.console_users set language = null")
        page.goto("/sign-in")
        page.fill("[name=name]", "ann")
        page.fill("[name=password]", PASSWORD)
        page.press("[name=password]", "Enter")
        page.wait_for_url("**/")
        page.goto(f"/items/{item_id}")
        page.locator("[data-key=c]").tap()
        expect(page.locator(".changes")).to_be_visible()
        for path in PAGES:
            answer = page.goto(path.format(item_id))
            assert answer is not None
            assert answer.status == 200, path
            assert page.evaluate("document.documentElement.scrollWidth") <= 390, path
            ratio, text = page.evaluate(CONTRAST)
            assert ratio >= 4.5, (path, ratio, text)
            assert page.evaluate(NAMELESS) == [], path
            assert page.evaluate("document.querySelectorAll('h1').length") == 1, path
            expect(page.locator("html")).to_have_attribute("lang", locale[:2])
            if locale == "de-DE":
                # the pack's own sentences are English, what the console says is not
                spoken = page.locator(
                    "header, nav, h2, button, summary, label span, thead th, footer"
                ).all_inner_texts()
                left = re.findall(r"\b(?:the|and|of|with|is|by|until|claim|open)\b", " ".join(spoken).lower())
                assert left in ([], ["call"]), (path, left)


def test_without_script(browser: Browser, address: str, db: Connection) -> None:
    item_id = repairable(db)
    with person(browser, address, "ann", java_script_enabled=False) as ann:
        ann.get_by_role("link", name="Call backlink missing").click()
        ann.get_by_role("button", name="Claim").click()
        ann.locator("summary", has_text="Put off").click()
        ann.locator("details[open] select[name=until]").select_option("3d")
        ann.get_by_role("button", name="Put off").click()
        assert f"Item {item_id} is put off." in ann.locator("#messages").inner_text()
        ann.get_by_role("link", name="Put off").click()
        ann.get_by_role("link", name="Call backlink missing").click()
        ann.get_by_role("button", name="Claim").click()
        ann.get_by_role("button", name="Apply this repair").click()
        assert "is repaired and resolved" in ann.locator("#messages").inner_text()
        ann.locator("select[name=severity]").select_option("info")
        ann.get_by_role("button", name="Filter").click()
        assert "No item is like that." in ann.locator("#items").inner_text()
        assert ann.locator("kbd:visible").count() == 0
        ann.get_by_role("button", name="Deutsch").click()
        ann.get_by_role("button", name="Abmelden").click()
        assert "Anmelden" in ann.locator("h1").inner_text()


def filled(db: Connection) -> int:
    """Fill the database with a bit of everything; return an item that can be repaired."""
    flagged_call(db, 8)
    other = queue(db, "call_made_without_appointment", "8", p_company_id="1", p_description="x" * 200)
    db.execute(
        "update trueup.manual_review_queue set status = 'dismissed', decided_by = 'ann', decided_at = now() where id = %s",
        (other,),
    )
    db.execute(
        "select trueup.file_alert('call_made_without_appointment', '1', 'call', '8', 'wrong', '{\"a\": {\"b\": [1, 2]}}')"
    )
    db.execute(
        "insert into trueup.check_runs (kind, status, finished_at, version, checks, violations) "
        "values ('full', 'complete', now(), '0', 61, 1200)"
    )
    db.execute(
        "insert into trueup.check_results (run_id, check_name, outcome, duration_ms) values (1, 'call_duplicate', 'timeout', 9)"
    )
    return repairable(db)
