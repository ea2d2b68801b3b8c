"""`syncline verify` with agents and a coordinator as processes of their own, on a real broker."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from syncline.adapters.lmdb.store import LmdbStore
from syncline.state.cell import pack_cells, unpack_cell
from syncline.state.partition import PartitionWrite
from syncline.wire.keys import encode_key, partition_for
from tests.integration.test_agent_on_kafka import PARTITIONS, PATIENCE_S, Sidecar, World, mixed, running
from tests.stack.stack import Stack

pytestmark = pytest.mark.real

VICTIM = "A7"


@pytest.fixture
def world(stack: Stack, prefix: str, tmp_path: Path) -> World:
    """A view of this test's own, with some hundred entities."""
    world = World(stack, prefix.rstrip("-"), tmp_path)
    world.publish([world.version.record(VICTIM, at_us=1, mean=1.0), *mixed(world, 3_000, random.Random(5))])
    return world


@contextmanager
def coordinating(world: World) -> Iterator[None]:
    """`syncline coordinator` as a process; killed in the end."""
    command = [sys.executable, "-m", "syncline", "coordinator", "--name", "c", "--prefix", world.prefix]
    command += ["--bootstrap-servers", world.stack.bootstrap_servers]
    with (world.folder / "coordinator.log").open("ab") as log:
        process = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        yield
    finally:
        process.kill()
        process.wait(PATIENCE_S)


def verify(world: World, *more: str) -> tuple[int, dict[str, Any]]:
    """(exit code, JSON document)."""
    command = [sys.executable, "-m", "syncline", "verify", "--prefix", world.prefix, "--output", "json"]
    command += ["--bootstrap-servers", world.stack.bootstrap_servers, "--timeout", f"{PATIENCE_S:g} s", *more]
    done = subprocess.run(
        command,
        check=False,
        capture_output=True,
        text=True,
        timeout=3 * PATIENCE_S,
        env={**os.environ, "SYNCLINE_ACTOR": "ada"},
    )
    assert done.stdout, done.stderr
    return done.returncode, json.loads(done.stdout)


def change_a_byte(world: World, folder: Path, airport: str) -> int:
    """In the store of an agent that is stopped: a byte of the cell's payload, and a checksum that fits.

    Returns the partition.
    """
    key = encode_key([airport])
    partition = partition_for(key, PARTITIONS)
    store = LmdbStore.open(folder)
    try:
        with store.snapshot() as snapshot:
            state, packed = snapshot.state(world.topic, partition), snapshot.cell(world.topic, partition, key)
        assert state is not None
        assert packed is not None
        cell = unpack_cell(key, packed)
        changed, _ = pack_cells(
            [key],
            event_times_us=np.array([cell.event_time_us]),
            offsets=np.array([cell.offset]),
            deleted=np.array([cell.deleted]),
            schema_ids=np.array([cell.schema_id]),
            payloads=[cell.payload[:-1] + bytes([cell.payload[-1] ^ 1])],
        )
        store.commit([PartitionWrite(world.topic, partition, state, keys=[key], cells=changed)])
    finally:
        store.close()
    return partition


def test_a_byte_changed_on_disk_is_found_and_its_entity_named(world: World) -> None:
    """P2, P5: checksum and all, three agents: exit 1 with agent, topic, partition and entity; exit 0 before."""
    sidecars = [Sidecar(world, name) for name in ("one", "two", "three")]
    with running(*sidecars), coordinating(world):
        for sidecar in sidecars:
            sidecar.await_state("LIVE")

        code, before = verify(world)

        assert (code, before["verdict"]) == (0, "in sync")
        (audit,) = before["bundles"]
        assert {agent["agent"] for agent in audit["agents"]} == {"model/one", "model/two", "model/three"}
        assert all(agent["answered"] for agent in audit["agents"])
        assert audit["partitions_compared"] == PARTITIONS

        victim = sidecars[1]
        victim.stop()
        partition = change_a_byte(world, victim.store, VICTIM)
        victim.start()
        victim.await_state("LIVE")

        code, after = verify(world, "--explain")

        assert (code, after["verdict"]) == (1, "diverged")
        (audit,) = after["bundles"]
        first = audit["first_divergence"]
        assert (first["agent"], first["topic"], first["partition"]) == ("model/two", world.topic, partition)
        (entity,) = audit["explanation"]["entities"]
        assert (entity["entity"], entity["topic"], entity["partition"]) == (
            f"airport={VICTIM}",
            world.topic,
            partition,
        )
        assert entity["wrong"] == [{"agent": "model/two", "how": "changed"}]
        assert audit["explanation"]["unnamed"] == []

        again = verify(world, "--audit", str(audit["audit"]))

        assert (again[0], again[1]["bundles"][0]["first_divergence"]) == (1, first)
