"""The command line: ``driftline COMMAND``."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from monitor.cli_retrain import app as retrain
from monitor.config.load import ConfigError

CONFIG_ERROR = 78
STATE_ERROR = 74

app = typer.Typer(
    name="driftline",
    help="Streaming monitoring and drift detection for machine-learning models.",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
reference = typer.Typer(help="Build, show and compare references.", no_args_is_help=True)
state = typer.Typer(help="Look into the state.", no_args_is_help=True)
app.add_typer(reference, name="reference")
app.add_typer(state, name="state")
alerts = typer.Typer(help="Alerts: list, silence, try out.", no_args_is_help=True)
routes = typer.Typer(help="Who hears of what.", no_args_is_help=True)
app.add_typer(alerts, name="alerts")
app.add_typer(routes, name="routes")
dashboards = typer.Typer(help="Grafana: dashboards as files or pushed, incidents as annotations.", no_args_is_help=True)
app.add_typer(dashboards, name="dashboards")
app.add_typer(retrain, name="retrain")

ConfigPath = Annotated[
    Path,
    typer.Option("--config", "-c", envvar="DRIFTLINE_CONFIG", help="The configuration file or a directory of them."),
]

UrlOption = Annotated[
    str | None, typer.Option(help="The service; by default http.listen of the configuration, on this machine.")
]
TokenOption = Annotated[Path | None, typer.Option(help="A file with the token; by default DRIFTLINE_TOKEN.")]
Because = Annotated[str, typer.Option(help="Why, for whoever is on call next.")]
GrafanaUrl = Annotated[str, typer.Option("--grafana", envvar="GRAFANA_URL", help="Such as https://grafana.example/.")]
TokenFile = Annotated[Path | None, typer.Option(help="Holds the token; by default GRAFANA_TOKEN does.")]


@app.command()
def run(config: ConfigPath = Path("driftline.yaml")) -> None:
    """Watch: read the topics, count, compare, serve metrics."""
    from monitor.commands.run import run as command

    raise typer.Exit(command(config, os.environ))


@app.command()
def replay(
    config: ConfigPath = Path("driftline.yaml"),
    predictions: Annotated[Path | None, typer.Option(help="Read these JSON Lines instead of the topic.")] = None,
    labels: Annotated[Path | None, typer.Option(help="Read labels from these JSON Lines.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First event time or log time, RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The time after the last, RFC 3339.")] = None,
    json: Annotated[
        Path | None, typer.Option(help="Write findings here, one JSON object a line; - for stdout.")
    ] = None,
    html: Annotated[Path | None, typer.Option(help="Write what the page would show here, as one file.")] = None,
    fail_on: Annotated[str | None, typer.Option(help="Exit 3 when a finding has this status: warn or drift.")] = None,
) -> None:
    """Run files or a range of the topic through the same code, with a state of its own and no metrics."""
    from monitor.commands.replay import ReplayOptions
    from monitor.commands.replay import replay as command

    options = ReplayOptions(
        predictions=predictions, labels=labels, start=start, end=end, json=json, html=html, fail_on=fail_on
    )
    raise typer.Exit(command(config, os.environ, options))


@app.command()
def report(
    state: Annotated[Path, typer.Option(help="The folder of state.path; the service may be running.")] = Path(
        "driftline-state"
    ),
    url: Annotated[str | None, typer.Option(help="A running service instead, such as http://localhost:9464.")] = None,
    html: Annotated[Path | None, typer.Option(help="One self-contained page; - for stdout.")] = None,
    md: Annotated[Path | None, typer.Option(help="Markdown; the default, to stdout.")] = None,
    json: Annotated[Path | None, typer.Option(help="All figures.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First time of what is drawn, RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The time after the last, RFC 3339.")] = None,
    fail_on: Annotated[
        str | None, typer.Option(help="Exit 3 on something at least as bad: warn, or page (in drift).")
    ] = None,
) -> None:
    """Write what the page shows as one file, fit for a mail, a pull request or an audit."""
    from monitor.commands.report import ReportOptions
    from monitor.commands.report import report as command

    options = ReportOptions(state=state, url=url, html=html, md=md, json=json, start=start, end=end, fail_on=fail_on)
    raise typer.Exit(command(options))


@app.command()
def validate(
    config: ConfigPath = Path("driftline.yaml"),
    no_environment: Annotated[bool, typer.Option(help="Do not try to reach the broker.")] = False,
) -> None:
    """Check the configuration; say what will be watched and what Driftline is blind to."""
    from monitor.commands.validate import validate as command

    raise typer.Exit(command(config, no_environment=no_environment))


@app.command()
def explain(
    target: Annotated[str, typer.Argument(help="MODEL.COLUMN, or MODEL.COLUMN.missing and the like.")],
    config: ConfigPath = Path("driftline.yaml"),
    piece: Annotated[str | None, typer.Option("--slice", help="One slice alone, such as country=fr.")] = None,
) -> None:
    """Say what a column's monitors see how soon, what they are blind to, and where they stand."""
    from monitor.commands.explain import explain as command

    raise typer.Exit(command(config, os.environ, target, piece))


@app.command()
def accept(
    target: Annotated[str, typer.Argument(help="MODEL.COLUMN, or MODEL.COLUMN.missing and the like.")],
    until: Annotated[str, typer.Option(help="Event time up to which it is expected, RFC 3339.")],
    because: Annotated[str, typer.Option(help="Why, for whoever is on call next.")],
    config: ConfigPath = Path("driftline.yaml"),
    piece: Annotated[str, typer.Option("--slice", help="In one slice alone, such as country=fr.")] = "",
) -> None:
    """Accept a drift: it is shown, and alarms again only if it gets worse."""
    from monitor.commands.accept import accept as command

    raise typer.Exit(command(config, os.environ, target, until, because, piece))


@alerts.command("list")
def list_alerts(
    config: ConfigPath = Path("driftline.yaml"),
    url: UrlOption = None,
    token_file: TokenOption = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show what fires and what is about to, likely causes first."""
    from monitor.commands.alerts import Where
    from monitor.commands.alerts import list_alerts as command

    raise typer.Exit(command(Where(config, os.environ, url, token_file), as_json=json))


@alerts.command("silence")
def silence_alerts(
    matchers: Annotated[list[str], typer.Argument(help='Labels, such as model="fraud"; all must fit.')],
    because: Because,
    span: Annotated[str, typer.Option("--for", help="How long, such as 30m, 4h or 2d.")] = "4h",
    config: ConfigPath = Path("driftline.yaml"),
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Have alerts with these labels not told for a while."""
    from monitor.commands.alerts import Where
    from monitor.commands.alerts import silence as command

    raise typer.Exit(command(Where(config, os.environ, url, token_file), matchers, span, because))


@alerts.command("expire")
def expire_silences(
    silences: Annotated[list[str], typer.Argument(help="Ids of silences.")],
    config: ConfigPath = Path("driftline.yaml"),
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """End silences now."""
    from monitor.commands.alerts import Where
    from monitor.commands.alerts import expire as command

    raise typer.Exit(command(Where(config, os.environ, url, token_file), silences))


@alerts.command("resolve")
def resolve_alert(
    fingerprint: Annotated[str, typer.Argument(help="As `driftline alerts list` shows it.")],
    because: Because,
    config: ConfigPath = Path("driftline.yaml"),
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """End an alert that no signal ends; it fires again when its condition holds anew."""
    from monitor.commands.alerts import Where
    from monitor.commands.alerts import resolve as command

    raise typer.Exit(command(Where(config, os.environ, url, token_file), fingerprint, because))


@alerts.command("enable")
def enable_receiver(
    receiver: str,
    because: Because,
    config: ConfigPath = Path("driftline.yaml"),
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Let a receiver hear again that was disabled."""
    from monitor.commands.alerts import Where
    from monitor.commands.alerts import enable as command

    raise typer.Exit(command(Where(config, os.environ, url, token_file), receiver, because))


@alerts.command("test")
def try_receiver(
    receiver: str,
    config: ConfigPath = Path("driftline.yaml"),
    url: UrlOption = None,
    token_file: TokenOption = None,
) -> None:
    """Send a receiver a message that says it is a trial."""
    from monitor.commands.alerts import Where
    from monitor.commands.alerts import test as command

    raise typer.Exit(command(Where(config, os.environ, url, token_file), receiver))


@routes.command("test")
def try_routes(
    labels: Annotated[list[str], typer.Argument(help="NAME=VALUE, such as model=fraud severity=page.")],
    config: ConfigPath = Path("driftline.yaml"),
) -> None:
    """Say who would hear of an alert with these labels."""
    from monitor.commands.alerts import test_routes as command

    raise typer.Exit(command(config, os.environ, labels))


@app.command()
def audit(
    config: ConfigPath = Path("driftline.yaml"),
    limit: Annotated[int, typer.Option("-n", min=1, max=1000, help="How many lines.")] = 100,
    url: UrlOption = None,
    token_file: TokenOption = None,
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show who changed what, the newest first."""
    from monitor.commands.alerts import Where
    from monitor.commands.alerts import audit as command

    raise typer.Exit(command(Where(config, os.environ, url, token_file), limit, as_json=json))


@app.command()
def drill(
    config: Annotated[Path | None, typer.Option("--config", "-c", help="Where --receiver is configured.")] = None,
    receiver: Annotated[
        str | None, typer.Option(help="Send it there for real; by default to a receiver of the drill's own.")
    ] = None,
) -> None:
    """Let a made-up model drift, and follow it through detection and alerts to a receiver."""
    from monitor.commands.drill import drill as command

    raise typer.Exit(command(config, os.environ, receiver))


@app.command()
def incidents(
    model: Annotated[str | None, typer.Argument(help="Only this model.")] = None,
    config: ConfigPath = Path("driftline.yaml"),
) -> None:
    """Print how many incidents the budget promised, how many came, and what people said of them."""
    from monitor.commands.incidents import show as command

    raise typer.Exit(command(config, os.environ, model))


@app.command()
def mark(
    target: Annotated[str, typer.Argument(help="MODEL.COLUMN of an alarm of the incident.")],
    verdict: Annotated[str, typer.Argument(help="useful, expected or noise.")],
    because: Annotated[str, typer.Option(help="Why.")] = "",
    at: Annotated[str | None, typer.Option(help="A time in its window, RFC 3339; by default the newest.")] = None,
    config: ConfigPath = Path("driftline.yaml"),
) -> None:
    """Say what an incident turned out to be, so that promises can be held against it."""
    from monitor.commands.incidents import mark as command

    raise typer.Exit(command(config, os.environ, target, verdict, because, at))


@app.command()
def event(
    words: Annotated[str, typer.Argument(help="What happened.")],
    kind: Annotated[str, typer.Option(help="Such as deploy, flag or campaign.")] = "deploy",
    model: Annotated[str | None, typer.Option(help="By default it concerns all models.")] = None,
    at: Annotated[str | None, typer.Option(help="When, RFC 3339; by default now.")] = None,
    config: ConfigPath = Path("driftline.yaml"),
) -> None:
    """Tell of a deploy, a flag or a campaign; it is named beside the incidents that follow."""
    from monitor.commands.incidents import event as command

    raise typer.Exit(command(config, os.environ, words, kind=kind, model=model, at=at))


@app.command()
def schema() -> None:
    """Print the JSON Schema of the configuration, for editors."""
    from monitor.commands.schema import schema as command

    raise typer.Exit(command())


@app.command()
def init(
    from_file: Annotated[Path | None, typer.Option(help="JSON Lines with prediction logs.")] = None,
    from_topic: Annotated[str | None, typer.Option(help="A topic with prediction logs.")] = None,
    bootstrap: Annotated[str, typer.Option(help="Kafka bootstrap servers.")] = "localhost:9092",
    out: Annotated[Path, typer.Option(help="Where to write; - for stdout.")] = Path("driftline.yaml"),
) -> None:
    """Read 500 records, guess the mapping, write a commented configuration."""
    from monitor.commands.init import init as command

    raise typer.Exit(command(from_file=from_file, from_topic=from_topic, bootstrap=bootstrap, out=out))


@app.command()
def tap(
    config: ConfigPath = Path("driftline.yaml"),
    topic: Annotated[str | None, typer.Option(help="Only this topic.")] = None,
    count: Annotated[int, typer.Option("-n", help="How many records.")] = 20,
) -> None:
    """Show raw and mapped records side by side."""
    from monitor.commands.tap import tap as command

    raise typer.Exit(command(config, topic=topic, count=count))


@reference.command("build")
def build_reference(
    config: ConfigPath = Path("driftline.yaml"),
    model: Annotated[str | None, typer.Option(help="Which model, where there are several.")] = None,
    from_file: Annotated[Path | None, typer.Option(help="Parquet, CSV or JSON Lines.")] = None,
    from_topic: Annotated[str | None, typer.Option(help="A topic; the model's mapping is used.")] = None,
    start: Annotated[str | None, typer.Option("--from", help="First time, RFC 3339.")] = None,
    end: Annotated[str | None, typer.Option("--to", help="The time after the last, RFC 3339.")] = None,
    out: Annotated[Path | None, typer.Option(help="Where to write.")] = None,
    rename: Annotated[list[str] | None, typer.Option(help="COLUMN=NAME, may be repeated.")] = None,
    edges_from: Annotated[Path | None, typer.Option(help="Keep the edges of this earlier reference.")] = None,
) -> None:
    """Build a reference file from rows that the model handled well."""
    from monitor.commands.reference import BuildOptions
    from monitor.commands.reference import build as command

    options = BuildOptions(
        model=model, from_file=from_file, from_topic=from_topic, start=start, end=end, out=out,
        rename=tuple(rename or ()), edges_from=edges_from,
    )  # fmt: skip
    raise typer.Exit(command(config, os.environ, options))


@reference.command("show")
def show_reference(path: Path) -> None:
    """Print a reference: columns with small histograms, quality, days."""
    from monitor.commands.reference import show as command

    raise typer.Exit(command(path))


@reference.command("promote")
def promote_reference(
    model: Annotated[str, typer.Argument(help="The model.")],
    since: Annotated[str, typer.Option(help="First event time of the rows, RFC 3339.")],
    until: Annotated[str, typer.Option(help="The time after the last.")],
    because: Annotated[str, typer.Option(help="Why, for whoever is on call next.")],
    out: Annotated[Path | None, typer.Option(help="By default the file that the configuration names.")] = None,
    live: Annotated[
        bool, typer.Option("--live", help="Have the running service switch, without a file or a restart.")
    ] = False,
    config: ConfigPath = Path("driftline.yaml"),
) -> None:
    """Make rows that the service counted the new reference."""
    from monitor.commands.promote import promote as command
    from monitor.promotion import Promotion

    raise typer.Exit(command(config, os.environ, Promotion(model, since, until, because, out, live)))


@reference.command("revert")
def revert_reference(
    model: Annotated[str, typer.Argument(help="The model.")],
    order: Annotated[int, typer.Argument(help="Number of the order that switched it.")],
    because: Annotated[str, typer.Option(help="Why, for whoever is on call next.")],
    config: ConfigPath = Path("driftline.yaml"),
) -> None:
    """Undo a switch of the reference that was made live."""
    from monitor.commands.promote import revert as command

    raise typer.Exit(command(config, os.environ, model, order, because))


@reference.command("diff")
def diff_references(
    first: Path,
    second: Path,
    fail_on_drift: Annotated[bool, typer.Option(help="Exit 3 when a column drifted.")] = False,
) -> None:
    """Print what differs between two references, or a reference and a Parquet file of rows."""
    from monitor.commands.reference import diff as command

    raise typer.Exit(command(first, second, fail_on_drift=fail_on_drift))


@state.command("inspect")
def inspect_state(
    path: Annotated[Path, typer.Option(help="The folder of state.path.")] = Path("driftline-state"),
    json: Annotated[bool, typer.Option("--json", help="For programs.")] = False,
) -> None:
    """Show positions, event time, counters, generations and sizes; also while the service runs."""
    from monitor.commands.inspect import inspect as command

    raise typer.Exit(command(path, as_json=json))


@dashboards.command("render")
def render_dashboards(
    out: Annotated[Path, typer.Option(help="Gets dashboards/*.json and provisioning/.")] = Path("grafana"),
    folder: Annotated[str, typer.Option(help="Title of the folder in Grafana.")] = "Driftline",
    path: Annotated[str | None, typer.Option(help="Where Grafana finds the dashboards, if elsewhere.")] = None,
    prometheus: Annotated[str | None, typer.Option(help="Provision this Prometheus as the data source.")] = None,
) -> None:
    """Write the dashboards as files for Grafana's provisioning."""
    from monitor.commands.dashboards import render as command

    raise typer.Exit(command(out, folder, path, prometheus))


@dashboards.command("push")
def push_dashboards(
    grafana: GrafanaUrl,
    token_file: TokenFile = None,
    folder: Annotated[str, typer.Option(help="Title of the folder, if it is to be made.")] = "Driftline",
) -> None:
    """Bring the dashboards into Grafana. Needs the extra grafana."""
    from monitor.commands.dashboards import Grafana
    from monitor.commands.dashboards import push as command

    raise typer.Exit(command(Grafana(grafana, token_file), os.environ, folder))


@dashboards.command("diff")
def diff_dashboards(grafana: GrafanaUrl, token_file: TokenFile = None) -> None:
    """Say in what Grafana's dashboards differ from ours; exit 3 when they do. Needs the extra grafana."""
    from monitor.commands.dashboards import Grafana
    from monitor.commands.dashboards import diff as command

    raise typer.Exit(command(Grafana(grafana, token_file), os.environ))


@dashboards.command("annotate")
def annotate_incidents(
    grafana: GrafanaUrl,
    token_file: TokenFile = None,
    state: Annotated[Path, typer.Option(help="The folder of state.path; the service may be running.")] = Path(
        "driftline-state"
    ),
    since: Annotated[str, typer.Option(help="How far back to look.")] = "30d",
    every: Annotated[str | None, typer.Option(help="Go on, and look again so often.")] = None,
) -> None:
    """Write incidents of drift, drops of performance and new versions into Grafana. Needs the extra grafana."""
    from monitor.commands.dashboards import Grafana
    from monitor.commands.dashboards import annotate as command

    raise typer.Exit(command(Grafana(grafana, token_file), os.environ, state, since, every))


@app.command()
def demo(
    bootstrap: Annotated[
        str | None, typer.Option(help="Play it through this broker; by default none is needed.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Another seed makes another stream.")] = 7,
    from_file: Annotated[Path | None, typer.Option(help="Watch your own CSV, Parquet or JSON Lines instead.")] = None,
    time: Annotated[str | None, typer.Option(help="Column of times, or none.")] = None,
    score: Annotated[str | None, typer.Option(help="Column of scores, or none.")] = None,
    prediction: Annotated[str | None, typer.Option(help="Column of predictions, or none.")] = None,
    label: Annotated[str | None, typer.Option(help="Column of what was true, or none; no feature then.")] = None,
    id_: Annotated[str | None, typer.Option("--id", help="Column of ids, or none.")] = None,
    model_version: Annotated[str | None, typer.Option(help="Column of the model's version, or none.")] = None,
    ignore: Annotated[list[str] | None, typer.Option(help="Column to leave out; may be repeated.")] = None,
    day_first: Annotated[bool | None, typer.Option("--day-first/--month-first", help="How 1/2/2026 is read.")] = None,
    reference: Annotated[float, typer.Option(help="Share of the rows, the earliest, to compare with.")] = 0.5,
    reference_until: Annotated[str | None, typer.Option(help="Or when these end, RFC 3339.")] = None,
    inject: Annotated[
        bool | None, typer.Option(help="Change a copy of your rows for show; by default if nothing drifted.")
    ] = None,
    save: Annotated[Path | None, typer.Option(help="Write configuration, reference and records here.")] = None,
    serve: Annotated[
        bool | None, typer.Option(help="Keep the page up when the run is over; by default on a terminal.")
    ] = None,
    port: Annotated[int, typer.Option(help="Of the page; 0 takes any free one.")] = 0,
    produce: Annotated[
        Path | None, typer.Option(help="Only write the stream through --bootstrap; this folder gets a configuration.")
    ] = None,
    minutes: Annotated[float, typer.Option(min=0.1, help="How long --produce takes over eight weeks.")] = 15.0,
) -> None:
    """Watch a loan model drift: eight weeks in about two minutes. With --from-file, a file of your own."""
    if produce is not None:
        from monitor.commands.demo_produce import demo_produce

        if bootstrap is None:
            raise typer.BadParameter("--produce needs --bootstrap")
        raise typer.Exit(demo_produce(bootstrap=bootstrap, folder=produce, minutes=minutes, seed=seed))
    if from_file is None:
        from monitor.commands.demo import demo as command

        raise typer.Exit(command(bootstrap=bootstrap, seed=seed, serve=serve, port=port))
    from monitor.commands.demo_file import FileOptions, demo_file
    from monitor.demo.own.mapping import Said

    if bootstrap is not None or serve is not None or port:
        raise typer.BadParameter("--bootstrap, --serve and --port belong to the built-in demo, not to --from-file")
    said = Said(
        time=time, id=id_, version=model_version, score=score, prediction=prediction, label=label,
        ignored=tuple(ignore or ()),
    )  # fmt: skip
    options = FileOptions(
        said=said, day_first=day_first, reference=reference, reference_until=reference_until, inject=inject, save=save
    )
    raise typer.Exit(demo_file(from_file, options))


def main() -> None:
    """Run the command line; exit 78 on a bad configuration."""
    try:
        app()
    except ConfigError as error:
        sys.stderr.write(f"{error}\n")
        sys.exit(CONFIG_ERROR)


if __name__ == "__main__":
    main()
