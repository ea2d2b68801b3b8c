"""References: `view@1.3:feature`; without `@` the active version is meant, without a minor the newest of the MAJOR."""

from __future__ import annotations

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewReference:
    """A view, perhaps with a version, perhaps with one of its features."""

    view: str
    major: int | None = None
    minor: int | None = None
    feature: str | None = None

    def __str__(self) -> str:
        """As it is written."""
        version = "" if self.major is None else f"@{self.major}"
        minor = "" if self.minor is None else f".{self.minor}"
        feature = "" if self.feature is None else f":{self.feature}"
        return f"{self.view}{version}{minor}{feature}"


def parse_reference(text: str) -> ViewReference:
    """The reference behind a text.

    Raises:
        ValueError: it is none; the message shows the form.
    """
    match = _REFERENCE.fullmatch(text)
    if match is None:
        raise ValueError(f"{text!r} is not a reference; write view, view@1, view@1.3 or view@1.3:feature")
    major, minor = match["major"], match["minor"]
    return ViewReference(
        match["view"],
        int(major) if major else None,
        int(minor) if minor else None,
        match["feature"],
    )


_REFERENCE = re.compile(
    r"(?P<view>[a-z][a-z0-9_]*)(@(?P<major>[1-9]\d{0,5})(\.(?P<minor>\d{1,6}))?)?(:(?P<feature>[A-Za-z_]\w*))?",
    re.ASCII,
)
