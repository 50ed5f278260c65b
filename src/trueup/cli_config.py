"""The command that shows the configuration."""

from __future__ import annotations

from pathlib import Path

import click

from trueup.cli_options import config_option, format_option, print_json, print_rows


@click.command(
    epilog="\b\nExamples:\n  trueup config\n  trueup config --config /etc/trueup.toml --format json"
)
@format_option()
@config_option
def config(form: str, file: Path | None) -> None:
    """Show the configuration in effect, and where each value comes from; no secret is shown."""
    from trueup.operating.config import load

    loaded = load(file)
    if form == "json":
        print_json(
            [{"name": v.name, "value": v.shown, "source": v.source, "help": v.help} for v in loaded.values]
        )
        return
    print_rows(
        ["option", "value", "from", "meaning"],
        [(v.name, _spelled(v.shown), v.source, v.help) for v in loaded.values],
    )


def _spelled(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(str, value))
    return "" if value is None else str(value)
