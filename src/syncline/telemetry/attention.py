"""Since when an agent has been listening without a break: what tells a slow broker from a slow agent. Pure."""

from __future__ import annotations

BREAK_US = 50_000
"""A poll that returns so much later than asked, or comes so much later than the last one, was a break."""


class Attention:
    """Fed with the times of each poll, by the agent's clock, in microseconds."""

    def __init__(self) -> None:
        self._since_us = 0
        self._ended_us = 0
        self.polled_us = 0
        """When the last poll began."""
        self.received_us = 0
        """When it ended."""

    def polled(self, began_us: int, ended_us: int, timeout_us: int) -> None:
        """One poll was over, which was to take `timeout_us` at most."""
        if began_us - self._ended_us > BREAK_US or began_us < self._ended_us:
            self._since_us = began_us
        if ended_us - began_us > timeout_us + BREAK_US:
            # It was not waiting all that time: the process, or the machine, stood still.
            self._since_us = ended_us
        self._ended_us = self.received_us = ended_us
        self.polled_us = began_us

    def split(self, appended_us: int) -> tuple[int, int]:
        """(µs at the broker, µs at the agent) that a record waited, which was received by the last poll.

        What passed before the agent began to listen is the agent's; what passed while it listened is the broker's, or
        the network's. Their sum is the time since `appended_us`, and never negative.
        """
        waited = max(0, self.received_us - appended_us)
        agent = min(waited, max(0, self._since_us - appended_us))
        return waited - agent, agent
