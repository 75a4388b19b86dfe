"""What the demo ends with: a proposal that awaits approval, by the command it prints, while it is up and after."""

from __future__ import annotations

import re
import shlex
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console
from typer.testing import CliRunner

from alerts.retraining.states import Proposal
from alerts.signal import Signal
from monitor.cli import app
from monitor.commands import demo
from monitor.commands.demo import Site, verdict
from monitor.demo import play as playing
from monitor.demo.folder import DemoFolder
from monitor.demo.ledger import Ledger
from monitor.demo.play import Play
from monitor.demo.stream import MODEL, DemoStream
from monitor.events import DAY, HOUR
from monitor.retraining.keeper import RetrainingKeeper
from monitor.sources.memory import MemorySource
from monitor.views import JoinView
from tests.example_view import judged, model, view


class Ended:
    """A demo whose stream is over, with a model that has become worse or has not."""

    def __init__(self, folder: Path) -> None:
        self.play = Play(DemoStream(5, quiet_days=1, rows_per_day=50), folder, lambda _: None)
        config = self.play.prepare()
        self.pipeline = self.play.embedded(config, MemorySource())
        self.desk = self.play.desk
        assert self.desk is not None
        self.site = Site(config, self.pipeline, lambda: self.play.desk.view if self.play.desk else None)
        self.keeper = RetrainingKeeper(config, folder, self.desk.engine.store, self.site.view, clock=self.play.clock)
        self.site.keep_proposals(self.keeper)
        self.desk.beside.append(self.site.turn)
        rows = {("maturity", "labelled"): 9_000, ("maturity", "unlabelled"): 100}
        one = replace(model(), name=MODEL, join=JoinView(rows=rows), performance=(judged(),))
        self.site._holder.swap(view(one))

    def worsens(self) -> None:
        """Have the alerts hear of a drop."""
        assert self.desk is not None
        now = self.play.clock()
        self.desk.engine.apply([Signal(
            number=1, kind="performance", observed_at=now, model=MODEL, column="log_loss", window="day:outcomes",
            start=now - DAY, end=now, status="drift", n=5_000, explanation="log_loss 0.53, worse than 0.47 before",
        )], now, "demo")  # fmt: skip

    def concluded(self) -> tuple[str, bool]:
        """Return what is printed at the end, and whether a proposal awaits a decision."""
        console = Console(width=200)
        with console.capture() as shown:
            waits = self.site.conclude(console, self.play)
        return shown.get(), waits

    def proposal(self) -> Proposal:
        (one,) = self.keeper.desk.proposals()
        return one

    def close(self) -> None:
        self.site.close()
        self.play.close()
        self.pipeline.close()


@pytest.fixture
def small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return where demos with a small reference keep their files."""
    monkeypatch.setattr(playing, "_REFERENCE_ROWS", 2_800)
    return tmp_path


def approved(said: str) -> str:
    """Do what the last line says; return the answer."""
    *_, last = said.strip().splitlines()
    _, *words = shlex.split(last)
    result = CliRunner().invoke(app, words)
    assert result.exit_code == 0, result.output
    return result.output


def test_it_is_approved_by_its_last_line_while_the_page_is_up(small: Path) -> None:
    with DemoFolder(small) as folder:
        run = Ended(folder.path)
        run.worsens()
        said, waits = run.concluded()
        assert waits
        assert run.proposal().state == "awaiting_approval"
        assert "log_loss 0.53, worse than 0.47 before" in said
        assert re.search(r"retrain approve [0-9a-f]{12} --state ", said)
        assert "dry run" in approved(said)
        run.play.judge()
        assert (run.proposal().state, run.proposal().outcome, run.site.waits()) == ("cooldown", "dry_run", False)
        run.close()


def test_it_is_approved_after_the_demo_ended(small: Path) -> None:
    with DemoFolder(small) as folder:
        run = Ended(folder.path)
        run.worsens()
        said, folder.keeps = run.concluded()
        run.close()
    assert sum(file.stat().st_size for file in folder.path.rglob("*") if file.is_file()) < 2_000_000
    assert not (folder.state / "store").exists()
    assert "approved" in approved(said)
    assert approved_by(folder.state)
    with DemoFolder(small) as following:
        assert not folder.path.exists(), "the next run takes it away"
        assert following.path.exists()
    assert list(small.iterdir()) == []


def test_what_needs_no_decision_leaves_nothing(small: Path) -> None:
    with DemoFolder(small) as folder:
        run = Ended(folder.path)
        said, folder.keeps = run.concluded()
        run.close()
    assert (said, folder.keeps, list(small.iterdir())) == ("", False, [])


def test_an_ending_without_a_proposal_is_no_success() -> None:
    nothing = Ledger((), quiet_until=HOUR)
    assert (verdict(nothing, proposed=True), verdict(nothing, proposed=False)) == (0, demo.NOT_FOUND)


def approved_by(state: Path) -> str:
    """Return who approved, as the command line lists it."""
    result = CliRunner().invoke(app, ["retrain", "list", "--state", str(state), "--json"])
    assert result.exit_code == 0, result.output
    (who,) = re.findall(r'"approved_by": "(.*)"', result.output)
    listed = CliRunner().invoke(app, ["retrain", "list", "--state", str(state)])
    assert f"approved by {who}, dry run" in listed.output
    assert "log_loss 0.53, worse than 0.47 before" in listed.output
    return str(who)
