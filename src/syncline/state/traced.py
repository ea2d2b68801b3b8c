"""What a store keeps beside the cell of a traced update: its trace, and when an agent had it."""

from __future__ import annotations

import struct
from dataclasses import dataclass

_FORM = struct.Struct(">B16s8s8sqqq")
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Traced:
    """One traced update. Times are microseconds since 1970, by the broker's clock and the agent's."""

    trace_id: int
    send_span_id: int
    process_span_id: int
    appended_us: int
    """When the broker took the record."""
    received_us: int
    applied_us: int
    """When the commit that holds this was about to be durable: known only to within the time of a commit."""

    def pack(self) -> bytes:
        """As the store keeps it."""
        return _FORM.pack(
            _VERSION,
            self.trace_id.to_bytes(16, "big"),
            self.send_span_id.to_bytes(8, "big"),
            self.process_span_id.to_bytes(8, "big"),
            self.appended_us,
            self.received_us,
            self.applied_us,
        )

    @classmethod
    def unpack(cls, packed: bytes) -> Traced | None:
        """What `pack` wrote; None for what another version wrote: a trace is worth no failed read."""
        if len(packed) != _FORM.size or packed[0] != _VERSION:
            return None
        _, trace_id, send_span, process_span, appended_us, received_us, applied_us = _FORM.unpack(packed)
        return cls(
            int.from_bytes(trace_id, "big"),
            int.from_bytes(send_span, "big"),
            int.from_bytes(process_span, "big"),
            appended_us,
            received_us,
            applied_us,
        )
