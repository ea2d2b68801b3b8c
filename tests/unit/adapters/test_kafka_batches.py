"""Messages become columns, whatever order they come in."""

from __future__ import annotations

from typing import Any

import pytest
from confluent_kafka import Message
from hypothesis import given
from hypothesis import strategies as st

from syncline.adapters.kafka.batches import Grouping, columns, empty
from syncline.ports.log import Batch


def message(topic: str, partition: int, offset: int, *, headers: Any = None) -> Message:
    """A record as the consumer hands it out."""
    text = f"{topic}-{partition}-{offset}".encode()
    return Message(
        topic=topic,
        partition=partition,
        offset=offset,
        key=text,
        value=text,
        headers=headers,
        timestamp=(2, 1_000 + offset),
    )


def batch_of(messages: list[Message], next_offsets: dict[tuple[str, int], int]) -> Batch:
    """The columns of the messages, as the reader asks for them."""
    grouping = Grouping()
    grouping.know(["a", "b"])
    return columns(messages, [each.key() for each in messages], grouping, next_offsets)


@given(st.lists(st.sampled_from([("a", 0), ("a", 1), ("b", 0), ("b", 1)]), max_size=40))
def test_every_row_is_in_its_slice_in_order(order: list[tuple[str, int]]) -> None:
    """P2: any interleaving gives one slice a partition, with all its rows in offset order and all columns alike."""
    offsets = dict.fromkeys(order, 0)
    messages = []
    for where in order:
        carried = [("n", b"1")] if offsets[where] % 2 else None
        messages.append(message(*where, offsets[where], headers=carried))
        offsets[where] += 1

    batch = batch_of(messages, dict.fromkeys(order, 0))

    assert {(part.topic, part.partition): part.count for part in batch.slices} == offsets
    for part in batch.slices:
        rows = range(part.start, part.start + part.count)
        wanted = [f"{part.topic}-{part.partition}-{n}".encode() for n in range(part.count)]
        assert [batch.keys[row] for row in rows] == [batch.values[row] for row in rows] == wanted
        assert [batch.offsets[row] for row in rows] == list(range(part.count))
        assert [batch.timestamps_ms[row] for row in rows] == [1_000 + n for n in range(part.count)]
        assert [row in batch.headers for row in rows] == [n % 2 == 1 for n in range(part.count)]


def test_rows_of_an_earlier_assignment_are_left_out() -> None:
    """P3: rows of other partitions, and rows below the position asked for, are never handed out."""
    stale = [message("a", 0, 3), message("b", 1, 9), message("a", 0, 4)]
    fresh = [message("a", 0, 7, headers=[("n", b"1")]), message("a", 0, 9)]

    batch = batch_of([*stale, *fresh], {("a", 0): 5})

    assert batch.offsets.tolist() == [7, 9]
    assert batch.headers == {0: [("n", b"1")]}
    assert [(part.first_offset, part.next_offset, part.count) for part in batch.slices] == [(7, 10, 2)]


@pytest.mark.parametrize("batch", [empty(), batch_of([], {}), batch_of([message("a", 0, 1)], {})])
def test_a_batch_without_rows_is_empty(batch: Batch) -> None:
    """Without rows, or with none that count, every column is empty."""
    assert (len(batch), batch.slices, batch.keys, batch.headers) == (0, [], [], {})
    assert (len(batch.offsets), len(batch.timestamps_ms)) == (0, 0)
