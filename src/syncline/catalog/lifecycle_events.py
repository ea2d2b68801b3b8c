"""The decisions by which versions and subscriptions end."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

from syncline.contracts.model import Version


@dataclass(frozen=True, slots=True)
class ViewVersionDeprecated:
    """Consumers shall leave this version."""

    view: str
    version: Version
    since: date
    until: date
    """The last day that it is supported."""
    alternative: str = ""
    """What to use instead, as a reference; empty where there is none."""

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"view {self.view}"


@dataclass(frozen=True, slots=True)
class ViewVersionRetired:
    """No release may name this version any more, and nobody publishes under it."""

    view: str
    version: Version

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"view {self.view}"


@dataclass(frozen=True, slots=True)
class SubscriptionWithdrawn:
    """The consumer needs nothing any more."""

    consumer: str

    @property
    def subject(self) -> str:
        """What this decision is about."""
        return f"subscription {self.consumer}"
