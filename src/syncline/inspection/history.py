"""The history of decisions: who decided what, why and when, in the catalog's order, void ones with the reason. Pure."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from syncline.catalog.events import Decision, Payload, decode_decision
from syncline.catalog.fold import Picture, fold
from syncline.contracts.nearest import nearest
from syncline.errors import UnknownBundle, UnknownFormat, WireError
from syncline.inspection.sentences import names_of, sentence

NO_DECISION = "NoDecision"
"""The kind of a record that is no decision at all."""


@dataclass(frozen=True, slots=True)
class Entry:
    """One record of the catalog."""

    offset: int
    kind: str
    """The decision's kind, as `BundleReleased`; `NoDecision` of other bytes."""
    actor: str
    reason: str
    recorded_at_us: int
    """By its writer's clock; 0 where nobody knows."""
    what: str
    """One sentence."""
    about: frozenset[str]
    """The names that it concerns.

    View, `view@1`, `view@1.3`, topic, bundle, `bundle@2`, consumer, model, coordinator.
    """
    void: str
    """Why it does not count; empty where it does."""
    decision: Decision | None

    @property
    def is_timed(self) -> bool:
        """Whether anybody knows when it was recorded."""
        return self.decision is not None


@dataclass(frozen=True, slots=True)
class History:
    """All records that were read, and what stands after them."""

    entries: tuple[Entry, ...]
    picture: Picture
    unreadable: str = ""
    """Why nothing from the next record on can be read: a newer Syncline wrote it; empty where everything was read."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which records are meant; None where anything will do.

    Times are the writers' own, both ends included; a record without one is of no time that anybody asks for.
    """

    actor: str | None = None
    kinds: frozenset[str] | None = None
    about: str | None = None
    since_us: int | None = None
    until_us: int | None = None
    void: bool | None = None

    def admits(self, entry: Entry) -> bool:
        """Whether the record is meant."""
        return (
            self.actor in (None, entry.actor)
            and (self.kinds is None or entry.kind in self.kinds)
            and (self.about is None or self.about in entry.about)
            and (self.since_us is None or (entry.is_timed and entry.recorded_at_us >= self.since_us))
            and (self.until_us is None or (entry.is_timed and entry.recorded_at_us <= self.until_us))
            and self.void in (None, bool(entry.void))
        )


def read_on(before: Picture, records: Sequence[tuple[int, bytes | None]]) -> History:
    """The history of these (offset, value) records, which follow those already folded into `before`."""
    readable, unreadable = list(records), ""
    decisions: dict[int, Decision | None] = {}
    for place, (offset, value) in enumerate(records):
        try:
            decisions[offset] = decode_decision(value)
        except UnknownFormat as error:
            readable, unreadable = list(records[:place]), f"the record at catalog offset {offset}: {error}"
            break
        except WireError:
            decisions[offset] = None
    picture = fold(before, readable)
    void = {each.offset: each.reason for each in picture.void[len(before.void) :]}
    entries = tuple(
        _entry(picture, offset, decisions[offset], void.get(offset, "")) for offset, _ in readable
    )
    return History(entries, picture, unreadable)


def require_known(history: History, *, about: str | None, actor: str | None) -> None:
    """Make sure that somebody or something of this name is in the history at all.

    Raises:
        UnknownBundle: it is not; the message names the nearest.
    """
    names = {name for entry in history.entries for name in entry.about}
    if about is not None and about not in names:
        raise UnknownBundle(f"no decision is about {about}. {_nearest(about, names)}")
    actors = {entry.actor for entry in history.entries if entry.actor}
    if actor is not None and actor not in actors:
        raise UnknownBundle(f"nobody called {actor} decided anything. {_nearest(actor, actors)}")


def _nearest(name: str, names: set[str]) -> str:
    return nearest(name, names) if names else "The catalog holds no decision yet"


def _entry(picture: Picture, offset: int, decision: Decision | None, void: str) -> Entry:
    if decision is None:
        what = "bytes that are no decision"
        return Entry(offset, NO_DECISION, "", "", 0, what, frozenset(), void, None)
    return Entry(
        offset=offset,
        kind=type(decision.payload).__name__,
        actor=decision.actor,
        reason=decision.reason,
        recorded_at_us=decision.recorded_at_us,
        what=sentence(decision.payload, offset, picture),
        about=_about(decision.payload, picture),
        void=void,
        decision=decision,
    )


def _about(payload: Payload, picture: Picture) -> frozenset[str]:
    """The names of a decision, and what contains them: of `view@1.3` its MAJOR, `view@1`, and the topic of that."""
    names = names_of(payload, picture)
    majors = {match[0] for name in names if (match := _MAJOR.match(name))}
    topics = {topic for topic, (view, major) in picture.majors().items() if f"{view}@{major}" in majors}
    return names | majors | topics


_MAJOR = re.compile(r"[^@]+@\d+(?=\.\d+$)")
