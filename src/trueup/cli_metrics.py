"""The command that tells metrics to Prometheus."""

from __future__ import annotations

import signal
from pathlib import Path

import click

from trueup.cli_options import config_option, database_option
from trueup.signals import ending


@click.command(
    epilog="\b\nExamples:\n  trueup metrics\n"
    "  trueup metrics --file trueup.prom\n"
    "  trueup metrics --port 9188"
)
@click.option(
    "--file",
    "path",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="PATH",
    help="Write them to a file, for the textfile collector of node_exporter; its name ends in .prom.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65535),
    metavar="N",
    help="Serve them over HTTP until the process is told to end; 0 for any free port.",
)
@click.option(
    "--address",
    default="127.0.0.1",
    show_default=True,
    help="With --port: where to listen. Beyond this machine anybody can read them: there is no login.",
)
@config_option
@database_option
def metrics(
    path: Path | None, port: int | None, address: str, file: Path | None, database: str | None
) -> None:
    """Tell what Prometheus wants to know: alerts, consistency, runs, repairs, the queue, circuits.

    One reading by default; docs/metrics.md lists what is told. The role trueup_dashboard is
    enough. When the database cannot be read, what is told is trueup_up 0, and the exit code is 4.
    """
    from trueup.operating import metrics as use_case
    from trueup.operating.config import load

    if path and port is not None:
        raise click.UsageError("--file and --port exclude each other")
    configuration = load(file).configuration
    database = database or configuration.database_url
    if port is not None:
        # before the server is up: a signal that comes early must end it as well
        signals = set(ending())
        signal.pthread_sigmask(signal.SIG_BLOCK, signals)
        with use_case.serve(address, port, database=database, settings=configuration.metrics) as url:
            click.echo(f"serving {url}")
            signal.sigwait(signals)
        return
    reading = use_case.Reader(database, configuration.metrics).read()
    if path:
        use_case.write(path, reading.text)
    else:
        click.echo(reading.text)
    if reading.error:
        raise reading.error
