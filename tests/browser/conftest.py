"""One browser for all tests of this folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.browser import scenes
from tests.browser.chromium import Chromium, Tab
from tests.prometheus import find_tool


@pytest.fixture(scope="session")
def browser() -> Iterator[Chromium]:
    """Return the browser of Debian."""
    with Chromium(find_tool("chromium", "chromium fonts-dejavu-core")) as found:
        yield found


@pytest.fixture
def tab(browser: Chromium) -> Iterator[Tab]:
    """Return a page of its own."""
    with browser.tab() as opened:
        yield opened


@pytest.fixture(scope="module")
def much(tmp_path_factory: pytest.TempPathFactory) -> Iterator[scenes.Stage]:
    """Return a service with many models and columns."""
    view, results = scenes.crowd(4, 40, 40)
    events = scenes.said("model-00", results, "version 8", "summer sale")
    with scenes.Stage(tmp_path_factory.mktemp("much"), view, results, events) as stage:
        yield stage


@pytest.fixture(scope="module")
def little(tmp_path_factory: pytest.TempPathFactory) -> Iterator[scenes.Stage]:
    """Return a service that has just begun."""
    with scenes.Stage(tmp_path_factory.mktemp("little"), *scenes.little()) as stage:
        yield stage


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> Iterator[scenes.Stage]:
    """Return a service whose producers mean harm."""
    view, results = scenes.hostile()
    events = scenes.said(scenes.HOSTILE[0], results, *scenes.SAYABLE)
    with scenes.Stage(tmp_path_factory.mktemp("hostile"), view, results, events) as stage:
        yield stage


@pytest.fixture
def empty(tmp_path: Path) -> Iterator[scenes.Stage]:
    """Return a service without models."""
    with scenes.Stage(tmp_path, scenes.view([])) as stage:
        yield stage
