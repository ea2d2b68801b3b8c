"""Which releases' topics an agent keeps, which it lets go, and which it could not serve. Pure."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import TYPE_CHECKING

from syncline.catalog.enactment import admits, releases_to_warm
from syncline.errors import CatalogError

if TYPE_CHECKING:
    from syncline.catalog.coordination import Ruling
    from syncline.catalog.enactment import Member
    from syncline.catalog.events import SubscriptionDeclared
    from syncline.catalog.fold import Picture
    from syncline.catalog.serving import Serving
    from syncline.schema_book import SchemaBook

Majors = Mapping[tuple[str, int], str]
"""(view, MAJOR) → topic."""


def majors_of(picture: Picture, bundle: str, release: int) -> Majors:
    """The topics of a release."""
    views = picture.releases[bundle][release - 1].payload.views
    registered = [picture.version(view.view, view.version) for view in views]
    return {
        (version.view, version.version.major): version.topic for version in registered if version is not None
    }


def to_keep(
    picture: Picture, member: Member, serving: Serving, *, cannot_serve: Collection[int]
) -> dict[int, Majors]:
    """Release → topics, of all releases whose cells are to be kept current, ascending."""
    warm = releases_to_warm(picture, member, active=serving.release, applied=serving.epoch)
    return {
        number: majors_of(picture, serving.bundle, number)
        for number in warm
        if number == serving.release or number not in cannot_serve
    }


def let_go(picture: Picture, member: Member, serving: Serving) -> set[str]:
    """The topics that only releases before the active one have, and that nothing can bring back."""
    kept = releases_to_warm(picture, member, active=serving.release, applied=serving.epoch)

    def topics(numbers: Collection[int]) -> set[str]:
        return {topic for number in numbers for topic in majors_of(picture, serving.bundle, number).values()}

    return topics([number for number in range(1, serving.release) if number not in kept]) - topics(kept)


def is_passed_through(picture: Picture, queue: Sequence[Ruling], serving: Serving, release: int) -> bool:
    """Whether a release that was let go is only passed through, on the way to the end of the queue.

    Nobody serves it once that is done: whether its topics are still there, whole or trimmed, does not matter.
    """
    on_the_way = {serving.release, *(ruling.to_release for ruling in queue)}
    if not queue or release not in on_the_way or release == queue[-1].to_release:
        return False
    # What stands is among what is retained.
    return release not in picture.coordination.retained(serving.bundle)


def unserved(
    picture: Picture, subscription: SubscriptionDeclared, book: SchemaBook, *, ahead: Collection[int]
) -> dict[int, str]:
    """Release → why it cannot be served, of those that are `ahead` or that the policy admits (log.md, rule 8)."""
    releases = [recorded.payload for recorded in picture.releases[subscription.bundle]]
    found: dict[int, str] = {}
    for release in releases:
        if release.release not in ahead and not admits(subscription, releases, release.release):
            continue
        for view in release.views:
            registered = picture.version(view.view, view.version)
            try:
                if registered is not None:
                    book[registered.schema_id]
            except CatalogError as error:
                found[release.release] = str(error)
    return found
