"""The locks of a consumer: what its policy resolves to now, what is live for it, what it would be under a release."""

from __future__ import annotations

from dataclasses import dataclass

from syncline.catalog.events import SubscriptionDeclared
from syncline.catalog.fold import Picture
from syncline.catalog.lifecycle import deprecations_of, served_by
from syncline.catalog.lock import Lock, lock_of, policy_text
from syncline.catalog.policies import resolve
from syncline.contracts.nearest import nearest
from syncline.errors import CatalogError, UnknownBundle


@dataclass(frozen=True, slots=True)
class Resolved:
    """A lock, and why it is this one."""

    lock: Lock
    why: str
    deprecated: tuple[tuple[str, str], ...] = ()
    """(view version, since and until when) of what it names and is on its way out."""


@dataclass(frozen=True, slots=True)
class ConsumerLocks:
    """What one consumer can be resolved to."""

    picture: Picture
    subscription: SubscriptionDeclared

    @classmethod
    def of(cls, picture: Picture, consumer: str) -> ConsumerLocks:
        """Those of this consumer.

        Raises:
            UnknownBundle: no such consumer is declared; the message names the nearest.
        """
        declared = picture.subscriptions.get(consumer)
        if declared is None:
            known = picture.subscriptions
            remedy = nearest(consumer, known) if known else "None is: run `syncline apply`"
            raise UnknownBundle(f"no subscription of {consumer} is declared. {remedy}")
        return cls(picture, declared.payload)

    def by_policy(self) -> Resolved:
        """What the policy resolves to, of all releases that there are.

        Raises:
            CatalogError: it resolves to none; the message says why.
        """
        releases = [recorded.payload for recorded in self.picture.releases.get(self.subscription.bundle, ())]
        found = resolve(self.subscription, releases)
        if found.number is None:
            raise CatalogError(
                f"the policy of {self.subscription.consumer}, {policy_text(self.subscription)}, resolves to nothing: "
                f"{found.reason}"
            )
        return self._under(found.number, f"policy {policy_text(self.subscription)}: {found.reason}")

    def live(self) -> Resolved:
        """What its agents serve once they have enacted all that is for them."""
        served = served_by(self.picture, self.subscription.consumer)
        assert served is not None, "a declared consumer has a release to begin with"
        return self._under(served, "live")

    def under(self, release: int) -> Resolved:
        """What it would be under this release, whatever the policy says.

        Raises:
            CatalogError: the bundle has no such release; the message says which it has.
        """
        return self._under(release, "as asked for")

    def _under(self, release: int, why: str) -> Resolved:
        lock = lock_of(self.picture, self.subscription, release)
        released = self.picture.releases[lock.bundle][release - 1].payload
        return Resolved(lock, why, deprecations_of(self.picture, released))
