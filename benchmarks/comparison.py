"""The same twelve checks, whole process against whole process, by every tool; the answers must be equal."""

from __future__ import annotations

import json

from harness import TRUEUP, Figures, Place, interleaved, run
from peers import CHECKS, Answered, Dbt, GreatExpectations, Soda, Tool, Trueup, releases

# above this only trueup is measured: the others need minutes for each repetition
MOST_CALLS_OF_PEERS = 1_000_000


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
    seconds = interleaved(place, {tool.name: lambda tool=tool: once(tool) for tool in tools})  # type: ignore[misc]
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
        if differing := {c: (answered.answers[c], found[c]) for c in CHECKS if answered.answers[c] != found[c]}:
            raise RuntimeError(f"{tool.name} and {other} count differently: {json.dumps(differing)}")
    return answered.answers
