"""Dead letters on a real broker: skipped, listed, and published again, once and twice, with agents looking on."""

from __future__ import annotations

import contextlib
import io
import json
import random
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import fastavro
import pytest

from syncline.cli.main import run
from syncline.contracts.codec.avro import avro_text
from syncline.wire.framing import prefix as framing
from syncline.wire.keys import partition_for
from tests.integration import test_agent_on_kafka as agents
from tests.integration.test_agent_on_kafka import (
    PARTITIONS,
    Sidecar,
    World,
    mixed,
    now_us,
    running,
)
from tests.stack.stack import Stack
from tests.unit.agent.world import registration
from tests.unit.state.reference import Played, Reference
from tests.unit.state.world import Record, Version, delete

pytestmark = pytest.mark.real


@dataclass
class SkippingWorld(World):
    """A world in which records were skipped, stand in foreign partitions, and are of two versions."""

    newer: Version = field(init=False)
    skipped: set[tuple[int, int]] = field(default_factory=set)

    def __post_init__(self) -> None:
        """The newer version has its id, and the catalog does not know it yet."""
        super().__post_init__()
        self.newer = self.made("1.1.0", extra=True)

    def folded(self) -> dict[int, Reference]:
        """See `World.folded`; both versions are known, and what an operator or the key's partition forbids is bad."""
        schemas = {
            version.schema_id: fastavro.parse_schema(json.loads(avro_text(version.contract)))
            for version in (self.version, self.newer)
        }
        found = {}
        for partition in range(PARTITIONS):
            reference = Reference()
            for message in self.raw(self.topic, partition):
                played = agents._played(message, schemas)
                key = message.key() or b""
                forbidden = (partition, message.offset()) in self.skipped
                if forbidden or partition_for(key, PARTITIONS) != partition:
                    played = Played("bad", played.record)
                reference.take(message.offset(), played)
            found[partition] = reference
        return found

    def cli(self, *arguments: object) -> dict[str, Any]:
        """What the command line says in JSON; it must succeed."""
        where = ["--prefix", self.prefix, "--bootstrap-servers", self.stack.bootstrap_servers]
        said = io.StringIO()
        # In this process: a dozen interpreters, each traced, would take longer than all that they ask.
        with contextlib.redirect_stdout(said):
            code = run([*map(str, arguments), "--output", "json", *where])
        assert code == 0
        document = json.loads(said.getvalue())
        assert isinstance(document, dict)
        return document

    def ends(self) -> int:
        """How many records stand in the feature topic."""
        reader = self.log.reader(client_id="tests")
        try:
            return sum(reader.watermarks(self.topic, number)[1] for number in range(PARTITIONS))
        finally:
            reader.close()


@pytest.fixture
def world(stack: Stack, prefix: str, tmp_path: Path) -> SkippingWorld:
    """A view of this test's own."""
    return SkippingWorld(stack, prefix.rstrip("-"), tmp_path)


def assert_all_are(world: SkippingWorld, *sidecars: Sidecar) -> dict[int, Reference]:
    """Once all is folded, each agent's state is that of the independent fold of the raw log."""
    for sidecar in sidecars:
        sidecar.await_rows(world.ends())
        sidecar.await_state("LIVE")
    folded = world.folded()
    for sidecar in sidecars:
        sidecar.assert_is(folded)
    return folded


def test_replaying_twice_changes_nothing_more_and_buries_nothing(world: SkippingWorld) -> None:
    """P2, P6, P8: skipped, replayed, replayed again: two agents and a late third equal an independent fold."""
    base_us, chance = now_us() - 60_000_000, random.Random(5)
    first, second, late = (Sidecar(world, name) for name in ("first", "second", "late"))
    unknown = world.newer.record("A1", at_us=base_us + 40_000_000, mean=7.0)
    home = partition_for(b"A1", PARTITIONS)
    misplaced = [
        # Older than what stands, newer than what stands, a key of its own, and a delete of that key's future.
        world.version.record("A2", at_us=base_us - 1, mean=1.0),
        world.version.record("A3", at_us=base_us + 50_000_000, mean=2.0),
        world.version.record("own", at_us=base_us, mean=3.0),
        delete("gone", at_us=base_us + 1),
    ]

    with running(first, second):
        world.publish(mixed(world, 2_000, chance))
        world.publish([world.version.record(name, at_us=base_us + 30_000_000) for name in ("A2", "A3")])
        for record in misplaced:
            world.publish([record], partition=1 - partition_for(record.key or b"", PARTITIONS))
        (held,) = world.publish([unknown])
        world.publish([Record(b"A1", framing(2**32 - 1) + b"junk", 0)])
        for sidecar in (first, second):
            assert "is not in the catalog" in sidecar.await_state("HOLDING").reason

        assert held.offset is not None
        told = world.cli("skip", world.topic, home, held.offset, "--reason", "INC-7", "--actor", "ada")
        assert (told["decided"], told["schema_id"]) == (True, world.newer.schema_id)
        world.skipped.add((home, held.offset))
        assert world.cli("skip", "--schema-id", 2**32 - 1, "--reason", "junk")["decided"] is True
        world.decide(registration(world.newer))
        before = assert_all_are(world, first, second)

        listed = world.cli("dlq", "list", world.topic)
        letters = {each["id"]: each["rule"] for each in listed["dead_letters"]}
        assert letters[f"{home}:{held.offset}"] == "skipped"
        rejected = sum(len(each.rejected) for each in before.values())
        assert listed["count"] == rejected

        dry = world.cli("dlq", "replay", world.topic)
        assert (dry["would_be_applied"], dry["sent"]) == (5, 0)
        assert world.ends() == sum(each.next_offset for each in before.values())

        cells = []
        for _ in range(2):
            done = world.cli("dlq", "replay", world.topic, "--yes")
            assert (done["sent"], done["not_acknowledged"]) == (5, 0)
            after = assert_all_are(world, first, second)
            cells.append(
                {
                    key: (cell[0], cell[2:])
                    for reference in after.values()
                    for key, cell in reference.cells.items()
                }
            )
        assert cells[0] == cells[1]
        with running(late):
            assert_all_are(world, late, first, second)
            late.stop()
        first.stop()
        second.stop()

    assert cells[1][b"A2"][0] >= base_us + 30_000_000
    assert cells[1][b"A3"][0] == base_us + 50_000_000
    assert cells[1][b"own"][0] == base_us
    assert cells[1][b"gone"] == (base_us + 1, (True, 0, b""))
    assert cells[1][b"A1"][0] == base_us + 40_000_000
    (skipped_letter,) = {
        (each.reason.rule, each.reason.message)
        for each in world.letters()
        if each.offset == held.offset and each.partition == home
    }
    assert skipped_letter == ("skipped", f"skipped by ada at catalog offset {told['catalog_offset']}: INC-7")


def test_a_row_is_published_anew_under_a_wider_version(world: SkippingWorld) -> None:
    """`--as`: what broke a range is replayed under the version that carries it, by agents of the old release too."""
    sidecar = Sidecar(world, "one")
    record = world.version.record("A1", at_us=now_us(), mean=5.0)

    with running(sidecar):
        world.publish([record], partition=1 - partition_for(b"A1", PARTITIONS))
        sidecar.await_rows(1)
        world.decide(registration(world.newer))
        assert world.cli("dlq", "replay", world.topic, "--as", "1.1", "--yes")["sent"] == 1
        folded = assert_all_are(world, sidecar)
        sidecar.stop()

    (cell,) = [cell for reference in folded.values() for cell in reference.cells.values()]
    assert cell[3] == world.newer.schema_id
