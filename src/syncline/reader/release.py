"""The active release, compiled: its views, and what can be selected of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from syncline.contracts.nearest import nearest
from syncline.errors import ReadError, UnknownBundle
from syncline.reader.selection import SelectedView, Selection
from syncline.reader.view import View

if TYPE_CHECKING:
    from collections.abc import Sequence

    from syncline.catalog.serving import Serving
    from syncline.contracts.model import FeatureType
    from syncline.reader.compiled import Compiled

_SELECTIONS_MAX = 64


class Release:
    """Compiled once per change of what is served; nothing of it changes afterwards but caches."""

    def __init__(self, serving: Serving, compiled: Compiled) -> None:
        self.serving = serving
        self.name = f"{serving.bundle}@{serving.release}"
        self.views = tuple(View(served, serving.schemas, compiled) for served in serving.views)
        self.keys = frozenset(name for view in self.views for name in view.keys.names)
        self._names = _Names(self.views)
        self._selections: dict[tuple[tuple[str, ...] | None, bool], Selection] = {}

    def key_types(self) -> dict[str, FeatureType]:
        """The join keys that a request gives, by the name it gives them."""
        return {
            asked: next(key.type for key in view.contract.keys if key.name == own)
            for view in self.views
            for own, asked in view.served.keys
        }

    def select(self, bundle: str, features: Sequence[str] | None, *, full_feature_names: bool) -> Selection:
        """The selection of these features; None is all of the bundle's, in its order.

        Raises:
            UnknownBundle: this release is not of `bundle`, or has no such feature; the message names the nearest.
            ReadError: a feature is asked for twice.
        """
        if bundle != self.serving.bundle:
            raise UnknownBundle(
                f"this store serves no bundle `{bundle}`, only `{self.serving.bundle}`: ask for that, "
                "or read the store of a subscription to the other"
            )
        asked = (None if features is None else tuple(features), full_feature_names)
        selection = self._selections.get(asked)
        if selection is None:
            selection = self._select(features, full_feature_names=full_feature_names)
            if len(self._selections) >= _SELECTIONS_MAX:
                self._selections.clear()
            self._selections[asked] = selection
        return selection

    def _select(self, features: Sequence[str] | None, *, full_feature_names: bool) -> Selection:
        if isinstance(features, str):
            raise ReadError(f"features is the text {features!r}; give a list of names")
        wanted = list(self._names.all) if features is None else [self._names.find(text) for text in features]
        if len(set(wanted)) != len(wanted):
            twice = next(pair for number, pair in enumerate(wanted) if pair in wanted[:number])
            raise ReadError(f"the feature `{twice[0]}:{twice[1]}` is asked for twice")
        if not wanted:
            raise ReadError("no features are asked for; leave `features` out to get all of the bundle's")
        names = {pair: self._names.result(pair, full=full_feature_names) for pair in wanted}
        views = []
        for view in self.views:
            own = [pair for pair in wanted if pair[0] == view.served.alias]
            if own:
                views.append(
                    SelectedView(view, [feature for _, feature in own], [names[pair] for pair in own])
                )
        ordered = tuple(names[pair] for pair in wanted)
        return Selection(
            views=tuple(views),
            names=ordered,
            names_by_view=tuple(name for view in views for name in view.names),
            keys=frozenset(name for view in views for name in view.view.keys.names),
            known_keys=self.keys,
        )


class _Names:
    """Which feature a name means: `alias:feature`, `alias__feature`, or the bare name where it is unique."""

    def __init__(self, views: Sequence[View]) -> None:
        self.all = [(view.served.alias, feature) for view in views for feature in view.served.features]
        self._meaning: dict[str, tuple[str, str]] = {}
        self._by_feature: dict[str, list[tuple[str, str]]] = {}
        for alias, feature in self.all:
            self._meaning[f"{alias}:{feature}"] = (alias, feature)
            full = f"{alias}__{feature}"
            if full in self._meaning:
                raise ReadError(
                    f"two features of the bundle are called `{full}`: rename an alias of the bundle"
                )
            self._meaning[full] = (alias, feature)
            self._by_feature.setdefault(feature, []).append((alias, feature))

    def find(self, text: str) -> tuple[str, str]:
        """The (alias, feature) that a text means."""
        pair = self._meaning.get(text)
        if pair is not None:
            return pair
        same = self._by_feature.get(text, [])
        if len(same) == 1:
            return same[0]
        if same:
            options = ", ".join(f"`{alias}:{feature}`" for alias, feature in same)
            raise UnknownBundle(f"`{text}` is a feature of several aliases: say which: {options}")
        known = [f"{alias}:{feature}" for alias, feature in self.all] + list(self._by_feature)
        raise UnknownBundle(f"the bundle has no feature `{text}`. {nearest(text, known)}")

    def result(self, pair: tuple[str, str], *, full: bool) -> str:
        """What a feature is called in the result."""
        alias, feature = pair
        bare = not full and len(self._by_feature[feature]) == 1 and feature not in self._meaning
        return feature if bare else f"{alias}__{feature}"
