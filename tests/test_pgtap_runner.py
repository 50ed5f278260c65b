"""The judge of the pgTAP files: what would let a broken file pass must fail it."""

from collections.abc import Iterator
from pathlib import Path

import postgres
import pytest
from pgtap_runner import TapError, run


@pytest.fixture(scope="module", params=postgres.choices(), ids=lambda choice: choice.name)
def url(request: pytest.FixtureRequest) -> Iterator[str]:
    with postgres.started(request.param) as server:
        postgres.install_pgtap(server.admin_url)
        postgres.install_pgtap(server.admin_url)  # a second time does no harm
        yield server.admin_url


def outcome(tmp_path: Path, url: str, script: str) -> str:
    path = tmp_path / "some_check.sql"
    path.write_text(script)
    try:
        return f"passed {run(path, url)}"
    except TapError as error:
        return str(error)


GOOD = """-- it's a file; with a comment
begin;
select plan(2);
select ok(true, 'a');
select is(1, 1, 'ä');
select * from finish();
rollback;
"""


def test_a_good_file_passes_twice(tmp_path: Path, url: str) -> None:
    assert outcome(tmp_path, url, GOOD) == "passed 2"
    assert outcome(tmp_path, url, GOOD) == "passed 2"


def test_a_test_that_is_not_ok_fails_with_its_diagnostics(tmp_path: Path, url: str) -> None:
    said = outcome(tmp_path, url, GOOD.replace("is(1, 1", "is(1, 2"))
    assert "some_check.sql: 2 of 2 tests ran, 1 failed" in said
    assert "not ok 2 - ä" in said
    assert "have: 1" in said
    assert "want: 2" in said
    assert "ok 1" not in said


@pytest.mark.parametrize(
    ("script", "reason"),
    [
        (GOOD.replace("plan(2)", "plan(3)"), "planned 3 tests, ran 2"),
        (GOOD.replace("plan(2)", "plan(1)"), "planned 1 tests, ran 2"),
        (GOOD.replace("select plan(2);\n", ""), "no plan"),
        ("begin; select plan(1); rollback;", "planned 1 tests, ran 0"),
        ("begin; select * from no_plan(); select * from finish(); rollback;", "no plan"),
        ("", "no plan"),
        ("begin; rollback;", "no plan"),
        (GOOD.replace("rollback;", ""), "end with rollback"),
        (GOOD.replace("begin;\n", ""), "start with begin"),
        (GOOD.replace("rollback;", "commit; begin; rollback;"), "the file commits"),
        (GOOD + GOOD, "a second plan"),
        (GOOD.replace("select ok(true, 'a')", "select 'Bail out!  enough'"), "Bail out!  enough"),
        (GOOD.replace("select ok(true, 'a')", "select 1/0"), "line 4: ERROR:  division by zero"),
        (GOOD.replace("select ok(true, 'a')", "do $x$ begin;\n x; end $x$"), "line 4"),
        (GOOD.replace("select ok(true, 'a')", "select nothing"), "line 4: ERROR:  column"),
        (GOOD.replace("finish();", "finish(); selec"), "syntax error"),
        (GOOD.replace("select ok(true, 'a')", "copy pg_class to stdout"), "cannot copy"),
        (GOOD.replace("select ok(true, 'a')", "copy pg_class from stdin"), "cannot copy"),
        (
            GOOD.replace("select ok(true, 'a')", "select pg_terminate_backend(pg_backend_pid())"),
            "line 4: FATAL:  terminating",
        ),
    ],
)
def test_a_broken_file_fails(tmp_path: Path, url: str, script: str, reason: str) -> None:
    assert reason in outcome(tmp_path, url, script)


def test_results_before_an_error_are_kept(tmp_path: Path, url: str) -> None:
    said = outcome(tmp_path, url, GOOD.replace("true", "false").replace("is(1, 1", "is(1/0, 1"))
    assert "not ok 1 - a" in said
    assert "division by zero" in said


def test_an_expected_failure_is_none(tmp_path: Path, url: str) -> None:
    script = GOOD.replace("select ok(true", "select todo('later', 1); select ok(false")
    assert outcome(tmp_path, url, script) == "passed 2"


def test_a_plan_at_the_end_will_do(tmp_path: Path, url: str) -> None:
    assert outcome(tmp_path, url, GOOD.replace("plan(2)", "* from no_plan()")) == "passed 2"
