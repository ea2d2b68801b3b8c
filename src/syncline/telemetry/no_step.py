"""A step of a job that is not traced: it loads nothing, and does nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self


class NoStep:
    """A step of a job that is not traced."""

    def __enter__(self) -> Self:
        """Nothing begins."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Nothing ends."""


NO_STEP = NoStep()
