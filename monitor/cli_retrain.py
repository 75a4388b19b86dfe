"""``driftline retrain …`` on the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

app = typer.Typer(help="Proposals to retrain: list them, approve, reject, pause.", no_args_is_help=True)

Config = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="DRIFTLINE_CONFIG", help="The configuration file or a directory of them."),
]
State = Annotated[Path | None, typer.Option(help="The folder of a state; the service may be running.")]
Url = Annotated[
    str | None, typer.Option(help="The service; by default http.listen of the configuration, on this machine.")
]
Token = Annotated[Path | None, typer.Option("--token-file", help="A file with the token; by default DRIFTLINE_TOKEN.")]
Because = Annotated[str, typer.Option(help="Why; stands in the audit.")]
ModelName = Annotated[str | None, typer.Option(help="One model only.")]
Proposal = Annotated[str, typer.Argument(help="Its id, or the beginning of it.")]
FILE = Path("driftline.yaml")


@app.command("list")
def list_(
    model: ModelName = None,
    config: Config = FILE,
    state: State = None,
    url: Url = None,
    token_file: Token = None,
    as_json: Annotated[bool, typer.Option("--json", help="Everything, with the evidence.")] = False,
) -> None:
    """List proposals, newest first, and what is paused."""
    from monitor.commands.retrain import Place, show

    raise typer.Exit(show(Place(config, os.environ, state, url, token_file), model, as_json=as_json))


@app.command("show")
def show_(
    proposal: Proposal, config: Config = FILE, state: State = None, url: Url = None, token_file: Token = None
) -> None:
    """Print one proposal with its evidence."""
    from monitor.commands.retrain import Place, explain

    raise typer.Exit(explain(Place(config, os.environ, state, url, token_file), proposal))


@app.command()
def approve(
    proposal: Proposal,
    because: Because = "",
    config: Config = FILE,
    state: State = None,
    url: Url = None,
    token_file: Token = None,
) -> None:
    """Approve a proposal; have a parked request sent again."""
    from monitor.commands.retrain import Place, decide

    raise typer.Exit(decide(Place(config, os.environ, state, url, token_file), "approve", proposal, because))


@app.command()
def reject(
    proposal: Proposal,
    because: Because,
    config: Config = FILE,
    state: State = None,
    url: Url = None,
    token_file: Token = None,
) -> None:
    """Reject a proposal; its episode is not proposed again."""
    from monitor.commands.retrain import Place, decide

    raise typer.Exit(decide(Place(config, os.environ, state, url, token_file), "reject", proposal, because))


@app.command()
def started(
    proposal: Proposal,
    run: Annotated[str, typer.Option(help="What the target calls the run.")] = "",
    config: Config = FILE,
    state: State = None,
    url: Url = None,
    token_file: Token = None,
) -> None:
    """Say that a parked request did start a run."""
    from monitor.commands.retrain import Place, decide

    raise typer.Exit(decide(Place(config, os.environ, state, url, token_file), "started", proposal, "", run))


@app.command()
def propose(model: str, because: Because, config: Config = FILE, url: Url = None, token_file: Token = None) -> None:
    """Ask the running service for a retraining; limits and approval hold."""
    from monitor.commands.retrain import Place
    from monitor.commands.retrain import propose as command

    raise typer.Exit(command(Place(config, os.environ, None, url, token_file), model, because))


@app.command()
def pause(
    because: Because,
    model: ModelName = None,
    config: Config = FILE,
    state: State = None,
    url: Url = None,
    token_file: Token = None,
) -> None:
    """Pause all retraining, or one model's. Runs that began are not stopped."""
    from monitor.commands.retrain import Place
    from monitor.commands.retrain import pause as command

    raise typer.Exit(command(Place(config, os.environ, state, url, token_file), model, because))


@app.command()
def resume(
    because: Because = "",
    model: ModelName = None,
    config: Config = FILE,
    state: State = None,
    url: Url = None,
    token_file: Token = None,
) -> None:
    """End a pause."""
    from monitor.commands.retrain import Place
    from monitor.commands.retrain import resume as command

    raise typer.Exit(command(Place(config, os.environ, state, url, token_file), model, because))
