"""What agents say of cuts and audits, and coordinators of themselves (schemas/reports/)."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

from syncline.wire.schemas import load_schema
from syncline.wire.single_object import Format


@dataclass(frozen=True, slots=True)
class DigestAt:
    """The digest of a partition's state below an offset; None where the agent cannot prove it."""

    topic: str
    partition: int
    offset: int
    digest: int | None


@dataclass(frozen=True, slots=True)
class CutReached:
    """An agent has enacted a cut, or has passed the line of an audit."""

    agent: str
    consumer: str
    reported_at_us: int
    fold_version: int
    cut: int
    epoch: int
    bundle: str
    release: int
    audit: bool
    aligned: bool
    """It stood at the vector in every partition when it switched."""
    why: str
    """Why it was not aligned; empty otherwise, and for audits."""
    held_us: int
    """How long partitions stood for the cut; -1 where none did."""
    partitions: tuple[DigestAt, ...]


@dataclass(frozen=True, slots=True)
class BucketCell:
    """One cell of a sub-digest: its key and its hash."""

    bucket: int
    key: bytes
    hash: int


@dataclass(frozen=True, slots=True)
class PartitionProof:
    """One partition at the marker of an audit, counted again from the cells themselves."""

    agent: str
    consumer: str
    reported_at_us: int
    fold_version: int
    cut: int
    topic: str
    partition: int
    offset: int
    cells: int
    kept: bytes
    """The 256 sub-digests as they were kept record by record (`Digest.pack`)."""
    counted: bytes
    """The 256 sub-digests as the cells give them now."""
    broken: tuple[bytes, ...] = ()
    """Keys of cells whose checksum does not match their bytes."""
    cells_of: tuple[BucketCell, ...] = ()
    """Every cell of the sub-digests that were asked for."""


@dataclass(frozen=True, slots=True)
class CoordinatorStatus:
    """What one coordinator is doing."""

    coordinator: str
    reported_at_us: int
    state: str
    reason: str
    claim: int | None
    catalog_offset: int
    waiting: tuple[str, ...]
    """What it would do, and what it waits for."""
    takeover_after_us: int
    """After so long without a word, a standby claims."""


CutReport = CutReached | PartitionProof | CoordinatorStatus


def encode_cut_report(report: CutReport) -> bytes:
    """The report's value."""
    record = asdict(report)
    record["reported_at"] = record.pop("reported_at_us")
    match report:
        case CutReached():
            for place in record["partitions"]:
                digest = place["digest"]
                place["digest"] = None if digest is None else digest.to_bytes(8, "big")
            return _cuts().encode(record)
        case PartitionProof():
            for cell in record["cells_of"]:
                cell["hash"] = cell["hash"].to_bytes(8, "big")
            return _proofs().encode(record)
        case CoordinatorStatus():
            return _coordinators().encode(record)


def decode_cut_report(value: bytes | None) -> CutReport | None:
    """The report behind a record's value; None where it is of another kind.

    Raises:
        WireError: it says that it is one of these, and cannot be read.
    """
    if _cuts().wrote(value):
        record = _read(_cuts(), value)
        places = [DigestAt(**{**found, "digest": _number(found["digest"])}) for found in record["partitions"]]
        return CutReached(**{**record, "partitions": tuple(places)})
    if _proofs().wrote(value):
        record = _read(_proofs(), value)
        cells = [BucketCell(**{**cell, "hash": _number(cell["hash"])}) for cell in record["cells_of"]]
        return PartitionProof(**{**record, "broken": tuple(record["broken"]), "cells_of": tuple(cells)})
    if _coordinators().wrote(value):
        record = _read(_coordinators(), value)
        return CoordinatorStatus(**{**record, "waiting": tuple(record["waiting"])})
    return None


def _read(form: Format, value: bytes | None) -> dict[str, Any]:
    record = form.decode(value)
    record["reported_at_us"] = record.pop("reported_at")
    return record


def _number(octets: bytes | None) -> Any:  # noqa: ANN401 - None stays None
    return None if octets is None else int.from_bytes(octets, "big")


@cache
def _cuts() -> Format:
    return Format(load_schema("reports/cut_reached.avsc"))


@cache
def _proofs() -> Format:
    return Format(load_schema("reports/partition_proof.avsc"))


@cache
def _coordinators() -> Format:
    return Format(load_schema("reports/coordinator_status.avsc"))
