"""Prometheus and promtool, as installed, with the configuration and the rules that are deployed."""

from __future__ import annotations

import json
import shutil
import subprocess
import time
import urllib.error
import urllib.parse
import urllib.request
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

from tests.stack.eventually import eventually
from tests.stack.health import answers_ok
from tests.stack.ports import LOOPBACK, free_port
from tests.stack.server import Server

DEPLOYED = Path(__file__).parents[2] / "deploy" / "prometheus"
CONFIG = DEPLOYED / "prometheus.yml"
RULES = DEPLOYED / "rules"


@dataclass(frozen=True, slots=True)
class Sample:
    """One value of an answer; `labels` has the name under `__name__`, and is empty for a scalar."""

    labels: Mapping[str, str]
    value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Exemplar:
    """An observation that a counter or a bucket kept as an example, with labels of its own (`trace_id`)."""

    series: Mapping[str, str]
    labels: Mapping[str, str]
    value: float
    at_s: float


@dataclass(frozen=True, slots=True)
class Target:
    """An address that is scraped. `health` is up, down, or unknown before the first scrape."""

    job: str
    address: str
    health: str
    last_error: str


def why_no_prometheus() -> str | None:
    """None where Prometheus and promtool are installed; else what is missing."""
    missing = [tool for tool in ("prometheus", "promtool") if shutil.which(tool) is None]
    if not missing:
        return None
    return f"{' and '.join(missing)} not found (on Debian: apt install --no-install-recommends prometheus)"


def promtool(
    *words: str, folder: Path | None = None, stdin: str | None = None
) -> subprocess.CompletedProcess[str]:
    """What promtool says, and its exit code; run in `folder`, which its files are relative to."""
    return subprocess.run(
        ["promtool", *words], cwd=folder, input=stdin, capture_output=True, text=True, check=False
    )


class Prometheus:
    """One Prometheus on the loopback address, with its data and a copy of its configuration in `folder`.

    `targets` maps a job to the addresses that are scraped for it; `scrape` changes them. Each is asked every
    `scrape_interval`, which a test has shorter than the configuration: that is the targets' own label.
    `start` after `stop` or `kill` comes back on the same port with the same data. The first scrape is 5 s after
    it, which no setting shortens.
    """

    def __init__(
        self,
        folder: Path,
        targets: Mapping[str, Sequence[str]],
        rules: Path | None = RULES,
        *,
        scrape_interval: str | None = "500ms",
        port: int | None = None,
    ) -> None:
        self.port = port or free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"
        self._interval = scrape_interval
        self._targets = folder / "targets"
        self._targets.mkdir(parents=True, exist_ok=True)
        self.scrape(targets)
        config = folder / CONFIG.name
        shutil.copyfile(CONFIG, config)
        (folder / "rules").mkdir(exist_ok=True)
        for file in sorted(rules.glob("*.yml")) if rules is not None else ():
            shutil.copyfile(file, folder / "rules" / file.name)
        self.server = Server(
            "Prometheus",
            [
                "prometheus",
                f"--config.file={config}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address={LOOPBACK}:{self.port}",
                "--enable-feature=exemplar-storage",
                "--log.level=warn",
            ],
            log=folder / "prometheus.log",
            is_healthy=lambda: answers_ok(self.port, "/-/ready"),
        )

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start it and return once it answers."""
        self.server.start(timeout_s=timeout_s)

    def stop(self) -> None:
        """End it in order. Idempotent."""
        self.server.stop()

    def kill(self) -> None:
        """End it as a crash would. Idempotent."""
        self.server.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self.server.pause()

    def resume(self) -> None:
        """Undo `pause`."""
        self.server.resume()

    def scrape(self, targets: Mapping[str, Sequence[str]]) -> None:
        """Scrape these, and no longer what was scraped before. It notices within ten seconds."""
        # The timeout may not be longer than the interval.
        short = {} if self._interval is None else dict.fromkeys(_INTERVALS, self._interval)
        groups = [
            {"targets": list(addresses), "labels": {"job": job, **short}}
            for job, addresses in targets.items()
        ]
        # Renamed into place, so that it never reads half of it.
        draft = self._targets / "targets.draft"
        draft.write_text(yaml.safe_dump(groups))
        draft.rename(self._targets / "targets.yml")

    def targets(self) -> list[Target]:
        """What is scraped now."""
        told = self._ask("/api/v1/targets", {"state": "active"})["activeTargets"]
        return [
            Target(each["labels"]["job"], each["labels"]["instance"], each["health"], each["lastError"])
            for each in told
        ]

    def query(self, expression: str, at: float | None = None) -> list[Sample]:
        """What an instant query gives, now or `at` (seconds since 1970): a vector or a scalar.

        Raises:
            RuntimeError: the expression is refused.
        """
        words = {"query": expression} | ({} if at is None else {"time": repr(at)})
        told = self._ask("/api/v1/query", words)
        if told["resultType"] == "scalar":
            return [_sample({}, told["result"])]
        return [_sample(each["metric"], each["value"]) for each in told["result"]]

    def exemplars(self, expression: str, *, since_s: float = 3600.0) -> list[Exemplar]:
        """The exemplars of the series that the expression selects."""
        now = time.time()
        words = {"query": expression, "start": repr(now - since_s), "end": repr(now + 60)}
        return [
            Exemplar(series["seriesLabels"], kept["labels"], float(kept["value"]), float(kept["timestamp"]))
            for series in self._ask("/api/v1/query_exemplars", words)
            for kept in series["exemplars"]
        ]

    def wait(self, expression: str, *, timeout_s: float = 30.0) -> list[Sample]:
        """What `query` gives once it is not empty: write a comparison to wait for a value.

        Raises:
            TimeoutError: it is empty for `timeout_s`.
        """
        return eventually(lambda: self.query(expression), timeout_s=timeout_s)

    def _ask(self, path: str, words: Mapping[str, str]) -> Any:
        url = f"{self.url}{path}?{urllib.parse.urlencode(words)}"
        try:
            with urllib.request.urlopen(url, timeout=10) as answer:
                return json.load(answer)["data"]
        except urllib.error.HTTPError as error:
            with error:
                said = error.read().decode(errors="replace")
            raise RuntimeError(f"Prometheus refuses {words.get('query', path)}: {said}") from error


_INTERVALS = ("__scrape_interval__", "__scrape_timeout__")


def _sample(labels: Mapping[str, str], told: Sequence[Any]) -> Sample:
    return Sample(labels, float(told[1]), float(told[0]))
