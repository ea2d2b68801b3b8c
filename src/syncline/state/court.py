"""What is found out about the rows of one topic: faults, observed violations, and the columns to be folded.

The slices of all partitions are heard together: whatever is done to columns is done once, however few rows each slice
has. A row number counts through all of them.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from itertools import accumulate, chain, pairwise
from typing import cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from syncline.contracts.checks.tally import Action, Tally
from syncline.contracts.codec.arrow import canonical_rows
from syncline.contracts.model import OnViolation
from syncline.errors import Violation, WireError
from syncline.state.join import Updates
from syncline.state.passages import STAGE, Passage
from syncline.state.rows import RecordKind, Rows, filled
from syncline.state.view_schema import ViewMajor, ViewSchema
from syncline.wire.dead_letters import Reason
from syncline.wire.framing import PREFIX_BYTES, unframe
from syncline.wire.headers import EVENT_TIME, decode_time, last
from syncline.wire.keys import KEY_BYTES_MAX, decode_key, partitions_for


class Court:
    """The columns that grow while slices are judged. A row with a fault is not folded.

    `faults`: row → why it goes to the dead letters. `observed`: row → what it breaks although it is folded.
    """

    def __init__(self, slices: Sequence[Rows], major: ViewMajor) -> None:
        self.major = major
        sizes = [len(rows) for rows in slices]
        self.starts = [0, *accumulate(sizes)]
        """Where each slice begins; one more, the number of all rows."""
        self._partitions = np.repeat(np.array([rows.partition for rows in slices], np.int32), sizes)
        self._offsets = _joined([rows.offsets for rows in slices])
        self._timestamps_ms = _joined([rows.timestamps_ms for rows in slices])
        self._keys = _chained([rows.keys for rows in slices])
        self._values = _chained([rows.values for rows in slices])
        self._slices = slices
        count = len(self)
        self.faults: dict[int, Reason] = {}
        self.observed: dict[int, list[Violation]] = {}
        self._found: dict[int, list[Violation]] = {}
        """Row with a fault → all that it breaks."""
        self._judged: list[dict[str, int]] = [{} for _ in slices]
        """Of each slice: view version → rows."""
        self._times = np.zeros(count, np.int64)
        self._timed = np.zeros(count, np.bool_)
        self._deleted = np.zeros(count, np.bool_)
        self._schema_ids = np.zeros(count, np.int64)
        self._payloads: list[bytes] = [b""] * count
        self._unique: list[bytes] = []
        self._codes = np.zeros(count, np.int32)
        self._entities: list[list[str | int] | None] = []
        self._schemas: dict[int, ViewSchema] = {}
        self._passed: set[int] = set()
        self._fault_rows: list[list[int]] = []
        self._observed_rows: list[list[int]] = []
        """Of each slice, once all is found out."""

    def __len__(self) -> int:
        """Number of rows."""
        return self.starts[-1]

    def _headers_of(self, row: int) -> Sequence[tuple[str, bytes | None]]:
        """Only deletes are asked for theirs: nothing is gathered for all others."""
        number = bisect_right(self.starts, row) - 1
        return self._slices[number].headers.get(row - self.starts[number], ())

    def _fault(
        self, row: int, stage: str, violations: Sequence[Violation], schema: ViewSchema | None
    ) -> None:
        """The first fault of a row stands; what is found wrong later, or was observed, is added to its message."""
        violations = [*violations, *self.observed.pop(row, ())]
        self._found.setdefault(row, []).extend(violations)
        message = "; ".join(str(violation) for violation in violations)
        standing = self.faults.get(row)
        if standing is not None:
            self.faults[row] = replace(standing, message=f"{standing.message}; {message}")
            return
        contract = schema.contract if schema else None
        self.faults[row] = Reason(
            rule=violations[0].rule,
            feature=violations[0].feature,
            message=message,
            stage=stage,
            view_version=contract.reference if contract else f"{self.major.view}@{self.major.major}",
            schema_id=schema.schema_id if schema else None,
        )

    def judge_keys(self, kinds: npt.NDArray[np.int8]) -> None:
        """Null, empty, oversized and malformed keys; and rows that stand in another partition than their key's."""
        keys = filled(self._keys)
        self._unique = list(dict.fromkeys(keys))
        number_of = {key: code for code, key in enumerate(self._unique)}
        self._codes = np.fromiter(map(number_of.__getitem__, keys), np.int32, len(keys))
        self._entities = [decode_key(key, self.major.integer_keys) for key in self._unique]
        homes = partitions_for(self._unique, self.major.partitions)
        wrong = homes[self._codes] != self._partitions
        if None in self._entities:
            malformed = np.fromiter(
                [entity is None for entity in self._entities], np.bool_, len(self._unique)
            )
            wrong |= malformed[self._codes]
        if not wrong.any():
            return
        for row in np.flatnonzero(wrong & (kinds != RecordKind.CONTROL)).tolist():
            code = int(self._codes[row])
            violation = _key_violation(self._keys[row], self._entities[code])
            if violation is None:
                violation = Violation(
                    "",
                    "partition",
                    f"in partition {homes[code]} of {self.major.partitions}, where its key belongs",
                    f"the record in partition {self._partitions[row]}",
                )
            self._fault(int(row), "KEY", [violation], None)

    def judge_deletes(self, deletes: npt.NDArray[np.int64]) -> None:
        """A delete states its event time in a header."""
        self._count(None, deletes)
        for row in deletes.tolist():
            self._deleted[row] = True
            try:
                self._times[row] = decode_time(last(self._headers_of(row), EVENT_TIME))
                self._timed[row] = True
            except WireError as error:
                violation = Violation("", "event_time", "an RFC 3339 time in ce_time", str(error))
                self._fault(row, "HEADERS", [violation], None)

    def judge_values(
        self,
        values: npt.NDArray[np.int64],
        ids: npt.NDArray[np.int64],
        schemas: Mapping[int, ViewSchema],
    ) -> None:
        """Framing, decoding and the contract's own rules: one decode and one check per schema id."""
        for schema_id in np.unique(ids[values]):
            rows = values[ids[values] == schema_id]
            if schema_id < 0:
                self._count(None, rows)
                for row in rows.tolist():
                    self._fault(row, "FRAMING", [_framing_violation(self._values[row] or b"")], None)
                continue
            schema = schemas[int(schema_id)]
            if schema.contract.topic != self.major.topic:
                self._count(None, rows)
                limit = f"of {self.major.view}@{self.major.major}"
                violation = Violation(
                    "", "schema", limit, f"schema id {schema_id} of {schema.contract.reference}"
                )
                for row in rows:
                    self._fault(int(row), "FRAMING", [violation], None)
                continue
            self._judge_schema(schema, rows)

    def _judge_schema(self, schema: ViewSchema, rows: npt.NDArray[np.int64]) -> None:
        # Every one of these rows has a value: its framing was read.
        framed = cast("Sequence[bytes]", self._values)
        if len(rows) == len(framed):
            payloads = [value[PREFIX_BYTES:] for value in framed]
            self._payloads = payloads
        else:
            payloads = [framed[row][PREFIX_BYTES:] for row in rows.tolist()]
            for row, payload in zip(rows.tolist(), payloads, strict=True):
                self._payloads[row] = payload
        self._schema_ids[rows] = schema.schema_id
        self._schemas[schema.schema_id] = schema
        self._count(schema, rows)
        decoded = schema.decoder.decode(payloads)
        for place, why in decoded.bad:
            violation = Violation("", "decode", "Avro of its schema", why)
            self._fault(int(rows[place]), "DECODE", [violation], schema)
        good = rows[decoded.good]
        batch = decoded.batch
        times = pc.cast(batch.column(schema.contract.event_time), pa.int64())
        self._times[good] = times.to_numpy(zero_copy_only=False)
        self._timed[good] = True
        self._judge_entity(schema, batch, good)
        passed = schema.check_columns(batch)
        for failed in np.flatnonzero(~passed).tolist():
            self._judge_row(schema, batch, failed, int(good[failed]))

    def _judge_entity(self, schema: ViewSchema, batch: pa.RecordBatch, good: npt.NDArray[np.int64]) -> None:
        """The record's join keys must be those of its Kafka key: one key, one entity, one cell."""
        codes = self._codes[good]
        differs = np.zeros(len(good), np.bool_)
        for place, key in enumerate(schema.contract.keys):
            column = batch.column(key.name)
            named = pa.array([entity[place] if entity else None for entity in self._entities], column.type)
            same = pc.equal(column, named.take(pa.array(codes))).fill_null(fill_value=False)
            differs |= ~same.to_numpy(zero_copy_only=False)
        for position in np.flatnonzero(differs):
            row = int(good[position])
            if row not in self.faults:
                names = ", ".join(self.major.key_names)
                violation = Violation("", "key", f"the entity that its {names} name", "the record key")
                self._fault(row, "KEY", [violation], schema)

    def _judge_row(self, schema: ViewSchema, batch: pa.RecordBatch, place: int, row: int) -> None:
        """The slow lane: which rules this row breaks."""
        violations = list(schema.check_row(canonical_rows(batch.slice(place, 1))[0]))
        if not violations:
            raise AssertionError(f"{schema.contract.reference}: both forms of the check must agree")
        contract = schema.contract
        of_features = all(contract.blamed(violation.feature, violation.rule) for violation in violations)
        if contract.on_violation is OnViolation.OBSERVE and of_features and row not in self.faults:
            self.observed[row] = violations
        else:
            self._fault(row, "CONTRACT", violations, schema)

    def judge_times(self, t_of_row: npt.NDArray[np.int64]) -> None:
        """Too far ahead of the record's own timestamp, or too late for the partition; deletes too."""
        ahead = self._times > self._timestamps_ms * 1_000 + self.major.max_ahead_us
        late = np.zeros(len(self._times), np.bool_)
        if self.major.late_arrival_us is not None:
            late = self._times < t_of_row * 1_000 - self.major.late_arrival_us
        for row in np.flatnonzero(self._timed & (ahead | late)):
            if ahead[row]:
                limit = f"<= record timestamp + {self.major.max_ahead_us / 1e6:g} s"
                by = self._times[row] / 1e6 - self._timestamps_ms[row] / 1e3
                violation = Violation(
                    "event_time", "ahead", limit, f"{by:.3f} s after the record's timestamp"
                )
            else:
                limit = f">= T - {(self.major.late_arrival_us or 0) / 1e6:g} s"
                by = t_of_row[row] / 1e3 - self._times[row] / 1e6
                violation = Violation("event_time", "late", limit, f"{by:.3f} s before T")
            self._fault(int(row), "TIME", [violation], self._schemas.get(int(self._schema_ids[row])))

    def name_schemas(self) -> None:
        """A fault that was found before the value was looked at is under the value's own contract all the same."""
        for row, reason in self.faults.items():
            schema = self._schemas.get(int(self._schema_ids[row]))
            if schema is not None and reason.schema_id is None:
                named = replace(reason, view_version=schema.contract.reference, schema_id=schema.schema_id)
                self.faults[row] = named

    def pass_unknown(self, row: int, passage: Passage, schema_id: int) -> None:
        """The row goes to the dead letters as an operator decided while nobody knew its schema: nothing else is said.

        Not even what its schema is called: who reads the catalog later knows it, and must say the same.
        """
        view = f"{self.major.view}@{self.major.major}"
        self._passed.add(row)
        self.faults[row] = Reason(passage.rule, "", str(passage), STAGE, view, schema_id)

    def conclude(self) -> None:
        """All is found out: from now on it is asked slice by slice, in the order of the rows."""
        self._fault_rows = self._by_slice(self.faults)
        self._observed_rows = self._by_slice(self.observed)

    def first_halt(self, number: int, skips: Mapping[int, Passage]) -> tuple[int, Reason] | None:
        """The first row of a slice whose contract wants the view stopped, if any; one that was skipped is rejected.

        `observe` covers feature rules only: whatever is a fault here is dead-lettered under it.
        `skips`: offset → the decision to skip the record there.
        """
        for row in self._fault_rows[number]:
            reason = self.faults[row]
            if row in self._passed:
                continue
            schema = self._schemas.get(int(self._schema_ids[row]))
            action = schema.contract.on_violation if schema else self.major.fault_action
            if action is not OnViolation.HALT:
                continue
            skip = skips.get(int(self._offsets[row]))
            if skip is None:
                return row, reason
            message = f"{skip}; it breaks {reason.message}"
            self.faults[row] = replace(reason, rule=skip.rule, feature="", message=message, stage=STAGE)
        return None

    def rejects(self, number: int) -> list[tuple[int, Reason]]:
        """(row of the slice, why) of each row of the slice that is not folded, ascending."""
        start = self.starts[number]
        return [(row - start, self.faults[row]) for row in self._fault_rows[number]]

    def observed_in(self, number: int) -> list[tuple[int, Violation]]:
        """(row of the slice, violation) of the rows of the slice that are folded all the same."""
        start = self.starts[number]
        rows = self._observed_rows[number]
        return [(row - start, violation) for row in rows for violation in self.observed[row]]

    def tally(self, number: int) -> Tally:
        """The counts of what was judged of a slice. A record that an operator passed by was not."""
        tally = Tally()
        for version, count in self._judged[number].items():
            tally.add_judged(version, count)
        for row in self._fault_rows[number]:
            reason = self.faults[row]
            if reason.stage != STAGE:
                tally.add_broken(reason.view_version, self._found[row], Action.DEAD_LETTERED)
            elif row not in self._passed:
                tally.judged[reason.view_version] -= 1
        for row in self._observed_rows[number]:
            schema = self._schemas[int(self._schema_ids[row])]
            tally.add_broken(schema.contract.reference, self.observed[row], Action.OBSERVED)
        return tally

    def tally_of_halt(self, row: int) -> Tally:
        """The counts of one row that halts."""
        tally, version = Tally(), self.faults[row].view_version
        tally.add_judged(version, 1)
        tally.add_broken(version, self._found[row], Action.HALTED)
        return tally

    def updates(self, number: int) -> Updates:
        """The rows of a slice that are to be folded."""
        start, end = self.starts[number], self.starts[number + 1]
        keep = self._timed[start:end]
        faults = [row - start for row in self._fault_rows[number]]
        if faults:
            keep = keep.copy()
            keep[faults] = False
        payloads = self._payloads[start:end]
        if keep.all():
            rows: slice | npt.NDArray[np.int64] = slice(start, end)
        else:
            kept = np.flatnonzero(keep)
            payloads = [payloads[row] for row in kept.tolist()]
            rows = kept + start
        return Updates(
            unique_keys=self._unique,
            codes=self._codes[rows],
            event_times_us=self._times[rows],
            offsets=self._offsets[rows],
            deleted=self._deleted[rows],
            schema_ids=self._schema_ids[rows],
            payloads=payloads,
        )

    def _count(self, schema: ViewSchema | None, rows: npt.NDArray[np.int64]) -> None:
        version = schema.contract.reference if schema else f"{self.major.view}@{self.major.major}"
        ends = np.searchsorted(rows, self.starts)
        for judged, count in zip(self._judged, np.diff(ends).tolist(), strict=True):
            judged[version] = judged.get(version, 0) + count

    def _by_slice(self, rows: Iterable[int]) -> list[list[int]]:
        """The rows of each slice, in their order."""
        ordered = sorted(rows)
        bounds = [bisect_left(ordered, start) for start in self.starts]
        return [ordered[first:end] for first, end in pairwise(bounds)]


def _key_violation(key: bytes | None, entity: list[str | int] | None) -> Violation | None:
    if entity is not None:
        return None
    if not key:
        return Violation(
            "", "key", "a key: every update names its entity", "null" if key is None else "empty"
        )
    if len(key) > KEY_BYTES_MAX:
        return Violation("", "key", f"at most {KEY_BYTES_MAX} bytes long", f"a key of {len(key)} bytes")
    return Violation("", "key", "the join keys' canonical text", "the record key")


def _framing_violation(value: bytes) -> Violation:
    try:
        unframe(value)
    except WireError as error:
        return Violation("", "framing", "Confluent's framing", str(error))
    raise AssertionError("only values that cannot be unframed come here")


def _joined(columns: Sequence[npt.NDArray[np.int64]]) -> npt.NDArray[np.int64]:
    return columns[0] if len(columns) == 1 else np.concatenate(columns)


def _chained(columns: Sequence[Sequence[bytes | None]]) -> Sequence[bytes | None]:
    return columns[0] if len(columns) == 1 else list(chain.from_iterable(columns))
