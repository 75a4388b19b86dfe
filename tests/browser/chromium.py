"""Headless Chromium, driven over a pipe by the DevTools protocol: no driver, no web socket, no library."""

from __future__ import annotations

import base64
import contextlib
import itertools
import json
import os
import select
import subprocess
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self

_PATIENCE = 60.0


@dataclass
class Tab:
    """One page of the browser, and all that it complained of or asked for."""

    browser: Chromium
    session: str
    complaints: list[str] = field(default_factory=list)
    """Errors and warnings of the console, uncaught exceptions, violations of the policy."""
    requests: list[str] = field(default_factory=list)
    """Every address that was asked for."""

    def call(self, method: str, **params: Any) -> dict[str, Any]:
        """Ask the browser for something and return its answer."""
        return self.browser.call(method, params, self.session)

    def go(self, address: str) -> None:
        """Open an address; returns when it is loaded and its scripts have run."""
        self.browser.loaded.discard(self.session)
        self.call("Page.navigate", url=address)
        self.browser.wait(lambda: self.session in self.browser.loaded, f"{address} does not load")
        self.run("new Promise(done => requestAnimationFrame(() => setTimeout(done, 30)))")

    def run(self, script: str) -> Any:
        """Return what an expression evaluates to in the page; a promise is awaited."""
        found = self.call("Runtime.evaluate", expression=script, awaitPromise=True, returnByValue=True)
        if "exceptionDetails" in found:
            raise AssertionError(found["exceptionDetails"])
        return found["result"].get("value")

    def until(self, script: str, seconds: float = 20.0) -> Any:
        """Wait until an expression is true in the page."""
        deadline = time.monotonic() + seconds
        while not (found := self.run(script)):
            assert time.monotonic() < deadline, f"never true: {script}"
            time.sleep(0.05)
        return found

    def look(self, *, width: int = 1280, height: int = 900, dark: bool = False) -> None:
        """Set the size of the window and the preferred colours."""
        self.call("Emulation.setDeviceMetricsOverride", width=width, height=height, deviceScaleFactor=1, mobile=False)
        scheme = "dark" if dark else "light"
        self.call("Emulation.setEmulatedMedia", features=[{"name": "prefers-color-scheme", "value": scheme}])

    def picture(self, path: Path, *, whole: bool = False) -> None:
        """Write what is seen, or all of the page, as PNG."""
        found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=whole)
        if whole:
            size = self.call("Page.getLayoutMetrics")["cssContentSize"]
            clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": 1}
            found = self.call("Page.captureScreenshot", format="png", captureBeyondViewport=True, clip=clip)
        path.write_bytes(base64.b64decode(found["data"]))


class Chromium:
    """A browser of its own, with a profile of its own, for as long as the context lasts."""

    def __init__(self, binary: str) -> None:
        self.loaded: set[str] = set()
        self._numbers = itertools.count(1)
        self._answers: dict[int, dict[str, Any]] = {}
        self._tabs: dict[str, Tab] = {}
        self._rest = b""
        self._profile = tempfile.TemporaryDirectory(prefix="driftline-chromium-", ignore_cleanup_errors=True)
        ours_in, theirs_out = os.pipe()
        theirs_in, ours_out = os.pipe()
        self._in, self._out = ours_in, ours_out
        flags = [
            "--headless=new", "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--no-first-run",
            "--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-extensions",
            "--disable-dev-shm-usage", "--hide-scrollbars", "--force-color-profile=srgb",
            f"--user-data-dir={self._profile.name}", "about:blank",
        ]  # fmt: skip

        def hand_over() -> None:
            for number, wanted in ((theirs_in, 3), (theirs_out, 4)):
                os.dup2(number, wanted)
                os.set_inheritable(wanted, True)

        # the two ends must survive being moved onto 3 and 4, so they are duplicated high up first
        theirs_in, theirs_out = (_high(number) for number in (theirs_in, theirs_out))
        self._process = subprocess.Popen(
            [binary, *flags], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, close_fds=False,
            preexec_fn=hand_over,  # noqa: PLW1509 - it only moves two descriptors, and takes no lock
        )  # fmt: skip
        os.close(theirs_in)
        os.close(theirs_out)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with contextlib.suppress(OSError, AssertionError):
            self.call("Browser.close", {})
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        os.close(self._in)
        os.close(self._out)
        self._profile.cleanup()

    @contextlib.contextmanager
    def tab(self) -> Iterator[Tab]:
        """Open a page that shares nothing with others, and close it."""
        context = self.call("Target.createBrowserContext", {})["browserContextId"]
        target = self.call("Target.createTarget", {"url": "about:blank", "browserContextId": context})["targetId"]
        session = self.call("Target.attachToTarget", {"targetId": target, "flatten": True})["sessionId"]
        tab = self._tabs[session] = Tab(self, session)
        for domain in ("Page", "Runtime", "Log", "Network", "Audits"):
            tab.call(f"{domain}.enable")
        try:
            yield tab
        finally:
            self.call("Target.closeTarget", {"targetId": target})
            self.call("Target.disposeBrowserContext", {"browserContextId": context})
            del self._tabs[session]

    def call(self, method: str, params: dict[str, Any], session: str | None = None) -> dict[str, Any]:
        """Ask for something and return the answer."""
        number = next(self._numbers)
        message = {"id": number, "method": method, "params": params}
        if session is not None:
            message["sessionId"] = session
        os.write(self._out, json.dumps(message).encode() + b"\0")
        self.wait(lambda: number in self._answers, f"{method} is not answered")
        answer = self._answers.pop(number)
        assert "error" not in answer, (method, answer["error"])
        found: dict[str, Any] = answer["result"]
        return found

    def wait(self, done: Any, problem: str) -> None:
        """Take in messages until something has happened."""
        deadline = time.monotonic() + _PATIENCE
        while not done():
            left = deadline - time.monotonic()
            assert left > 0, problem
            if select.select([self._in], [], [], min(left, 1.0))[0]:
                data = os.read(self._in, 1 << 20)
                assert data, "the browser ended"
                *messages, self._rest = (self._rest + data).split(b"\0")
                for message in messages:
                    self._take(json.loads(message))

    def _take(self, message: dict[str, Any]) -> None:
        if "id" in message:
            self._answers[message["id"]] = message
            return
        tab, params = self._tabs.get(message.get("sessionId", "")), message.get("params", {})
        if tab is None:
            return
        match message["method"]:
            case "Page.loadEventFired":
                self.loaded.add(tab.session)
            case "Network.requestWillBeSent":
                tab.requests.append(params["request"]["url"])
            case "Runtime.exceptionThrown":
                tab.complaints.append(str(params["exceptionDetails"]))
            case "Runtime.consoleAPICalled" if params["type"] in {"error", "warning", "assert"}:
                tab.complaints.append(str(params["args"]))
            case "Log.entryAdded" if params["entry"]["level"] in {"error", "warning"}:
                tab.complaints.append(str(params["entry"]))
            case "Audits.issueAdded" if (
                "contentSecurityPolicy" in str(params["issue"]["code"])[0:1].lower() + str(params["issue"]["code"])[1:]
            ):
                tab.complaints.append(str(params["issue"]))
            case _:
                pass


def _high(number: int) -> int:
    """Return a duplicate of a file descriptor above those that the child's are moved onto."""
    duplicate = os.dup(number)
    below = []
    while duplicate < 10:
        below.append(duplicate)
        duplicate = os.dup(number)
    for one in (*below, number):
        os.close(one)
    os.set_inheritable(duplicate, False)
    return duplicate
