"""The same twelve checks, whole process against whole process, by every tool; the answers must be equal.

Between them two plain statements over the same tables, as a measure of the server.
"""

from __future__ import annotations

import json
from functools import partial

from harness import TRUEUP, Figures, Place, interleaved, run, timed
from peers import CHECKS, Answered, Dbt, GreatExpectations, Soda, Tool, Trueup, releases

# above this only trueup is measured: the others need minutes for each repetition
MOST_CALLS_OF_PEERS = 1_000_000
STATEMENTS = {
    "anti_join": """
        select count(*)
        from public.calls as c
        where not exists (select 1 from public.appointments as a where a.call_id = c.id)""",
    "count": """
        select
            (select count(*) from public.calls)
            + (select count(*) from public.appointments)
            + (select count(*) from public.customers)""",
}


def measure(place: Place) -> Figures:
    """Return the seconds, the memory and the common answer of every tool."""
    tools: list[Tool] = [Trueup()]
    if "--jobs" in run([TRUEUP, "check", "--help"]).output:
        tools.append(Trueup("trueup_jobs_2", ("--jobs", "2")))
    if place.calls <= MOST_CALLS_OF_PEERS:
        tools += [Soda(), Dbt("dbt_2", 2), Dbt("dbt_1", 1), GreatExpectations()]
    memory: dict[str, float] = {}
    answers: dict[str, dict[str, int]] = {}

    def once(tool: Tool) -> float:
        answered = tool.check(place)
        memory[tool.name] = max(memory.get(tool.name, 0), answered.ran.peak_mb)
        answers[tool.name] = _agreed(tool, answered, answers)
        return answered.ran.seconds

    for tool in tools:
        tool.prepare(place)
        # the first time fills caches (dbt parses its project, alerts are opened) and is not counted
        place.say(f"{tool.name}: {once(tool):.1f} s the first time, its answer agrees")
    with place.connected() as connection:
        seconds = interleaved(
            place,
            {
                **{tool.name: partial(once, tool) for tool in tools},
                **{
                    name: partial(timed, partial(connection.execute, text.encode()))
                    for name, text in STATEMENTS.items()
                },
            },
        )
    return {
        "seconds": seconds,
        "facts": {
            "checks": list(CHECKS),
            "violations": answers["trueup"],
            "peak_mb": memory,
            "releases": releases() if place.calls <= MOST_CALLS_OF_PEERS else {},
        },
    }


def _agreed(tool: Tool, answered: Answered, answers: dict[str, dict[str, int]]) -> dict[str, int]:
    """Return the answers, once they are complete and the same as everybody's."""
    if set(answered.answers) != set(CHECKS):
        raise RuntimeError(f"{tool.name} answered {sorted(answered.answers)}, not the twelve")
    for other, found in answers.items():
        if differing := {
            c: (answered.answers[c], found[c]) for c in CHECKS if answered.answers[c] != found[c]
        }:
            raise RuntimeError(f"{tool.name} and {other} count differently: {json.dumps(differing)}")
    return answered.answers
