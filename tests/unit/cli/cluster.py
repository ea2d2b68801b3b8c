"""The command line in this process, on a cluster in memory."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

import pytest

from syncline import wiring
from syncline.cli.main import run
from syncline.wire.dead_letters import DeadLetter, Reason
from tests.unit.agent.world import Cluster
from tests.unit.state.world import NOW_MS, Record, Version


@dataclass
class Cli:
    """Calls the command line; the cluster it finds is this one."""

    cluster: Cluster
    capsys: pytest.CaptureFixture[str]

    @classmethod
    def on(cls, cluster: Cluster, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Cli:
        """With this cluster behind the settings."""
        monkeypatch.setattr(wiring, "open_log", lambda settings: cluster.log)
        monkeypatch.setenv("SYNCLINE_ACTOR", "ada")
        return cls(cluster, capsys)

    def __call__(self, *arguments: object) -> tuple[int, str, str]:
        """(exit code, stdout, stderr)."""
        self.capsys.readouterr()
        code = run([str(argument) for argument in arguments])
        captured = self.capsys.readouterr()
        return code, captured.out, captured.err

    def json(self, *arguments: object, code: int = 0) -> dict[str, Any]:
        """The JSON document that the command prints."""
        got, out, err = self(*arguments, "--output", "json")
        assert got == code, (out, err)
        document = json.loads(out)
        assert isinstance(document, dict)
        return document


def letter(
    version: Version,
    record: Record,
    *,
    offset: int = 0,
    partition: int = 0,
    topic: str = "",
    agent: str = "model/a",
    rule: str = "maximum",
    feature: str = "mean",
    reference: str = "delay@1.0",
) -> Record:
    """The record of a dead letter topic that an agent writes for this record; -1 for a publisher's."""
    reason = Reason(rule, feature, f"{feature}: {rule}: it is so", "CONTRACT", reference, version.schema_id)
    dead = DeadLetter(
        topic=topic or version.contract.topic,
        partition=partition,
        offset=offset,
        timestamp_ms=record.ms,
        key=record.key,
        value=record.value,
        headers=record.headers,
        reason=reason,
        agent=agent,
    )
    return Record(record.key, record.value, NOW_MS, tuple(dead.record_headers()))
