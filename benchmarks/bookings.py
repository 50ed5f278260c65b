"""Bookings through book_appointment against the same rows written by hand, and answers to repeated requests.

By hand is an INSERT and an UPDATE in one transaction, by an application that knows what to write and
looks for nothing before: `plain` on the same tables with every trigger of ours, `bare` without triggers,
where it sets the flags of the call itself. By pgbench, prepared statements, one client and eight; seconds
are those of a transaction.
"""

from __future__ import annotations

import re
import subprocess
from functools import partial
from pathlib import Path

import psycopg
import writers
from harness import Figures, Place, interleaved, median, ratio

from trueup.server import Binaries

BOOK = Path(__file__).with_name("bookings.sql").read_text()
# each transaction books in a call of its own, whoever makes it
NEXT = "select nextval('public.calls_taken') as n \\gset\n"
BOOKED = "select last_value as booked from public.calls_taken \\gset\n\\set n random(1, :booked)\n"
BY_HAND = {
    name: (writers.SCRIPTS / f"{script}.sql").read_text().replace("\\set n :n + 1\n", NEXT)
    for name, script in (("plain", "book_confirmed"), ("bare", "book_confirmed_by_hand"))
}
SCRIPTS = {"book": NEXT + BOOK, "replay": BOOKED + BOOK, **BY_HAND}
CLIENTS = (1, 8)
TRANSACTIONS = 400
"""Of each client, in each repetition."""
WAYS = {"book": "tracked", "plain": "tracked", "bare": "hand", "replay": "tracked"}
"""Each script, and the variant of writers.py on whose database it runs."""


def measure(place: Place) -> Figures:
    """Return the seconds of a transaction of each way and number of clients, and the rates a second."""
    rounds = place.repetitions * sum(CLIENTS) * TRANSACTIONS
    limits = writers.Limits(calls=2 * rounds)
    compared = [variant for variant in writers.variants() if variant.name in WAYS.values()]
    binaries = place.server.binaries
    with writers._databases(place.server.url("postgres"), compared, limits) as urls:
        for url in urls.values():
            with psycopg.connect(url, autocommit=True) as connection:
                connection.execute("create sequence public.calls_taken")
        ways = {
            f"{name} {clients}": partial(_seconds, binaries, urls[variant], name, clients)
            for clients in CLIENTS
            for name, variant in WAYS.items()
        }
        seconds = interleaved(place, ways)
    return {
        "seconds": seconds,
        "facts": {
            "rates": {way: round(1 / median(found)) for way, found in seconds.items()},
            "ratios": {
                f"{name} {clients}": round(ratio(seconds[f"book {clients}"], seconds[f"{name} {clients}"]), 2)
                for clients in CLIENTS
                for name in ("plain", "bare")
            },
        },
    }


def _seconds(binaries: Binaries, url: str, script: str, clients: int) -> float:
    """Run a script; return how long one transaction took of the time of all."""
    done = subprocess.run(
        [
            binaries.directory / "pgbench",
            *("--no-vacuum", "--protocol=prepared", f"--client={clients}", "--jobs=1"),
            *(f"--transactions={TRANSACTIONS}", "--file=/dev/stdin", url),
        ],
        input=SCRIPTS[script],
        check=False,
        capture_output=True,
        text=True,
    )
    rate = re.search(r"^tps = ([\d.]+)", done.stdout, re.M)
    if done.returncode or rate is None:
        raise RuntimeError(f"{script}: {done.stdout}{done.stderr}")
    return 1 / float(rate[1])
