"""A first contract from a file of data: read, proposed, checked, and written where it was asked for."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path

from syncline.contracts.odcs.document import parse_contract
from syncline.errors import DefinitionError, SettingsError
from syncline.inference.files import open_source
from syncline.inference.infer import Wishes, infer

__all__ = ["Wishes", "infer_contract"]


def infer_contract(
    file: Path, wishes: Wishes, *, out: Path | None, force: bool
) -> tuple[str, tuple[str, ...]]:
    """The contract's text and what to say beside it; written to `out`, if given, whole or not at all.

    Raises:
        SettingsError: `out` exists and may not be overwritten, or cannot be written.
        DefinitionError: the data will not do; one sentence says why, and what to do.
    """
    if out is not None and not force and (out.exists() or out.is_symlink()):
        raise SettingsError(f"nothing was written, as {out} exists; name another file, or say --force")
    inferred = infer(open_source(file), file, wishes)
    try:
        contract = parse_contract(inferred.text, file=str(out or file))
    except DefinitionError as error:
        wishes_are_wrong = all(problem.path in _WISHED for problem in error.problems)
        if wishes_are_wrong:
            raise
        raise AssertionError(f"what was proposed is no valid contract: {error}") from error
    notes = list(inferred.notes)
    if out is not None:
        _write(out, inferred.text, force=force)
        notes.append(f"wrote {out}: {contract.reference}, {len(contract.features)} features")
        notes.append("Next: look at each line that says `review`, then syncline validate.")
    return inferred.text, tuple(notes)


_WISHED = ("id", "team.name", "schema[0].name")
"""Where a wish stands in the document as it was given."""


def _write(out: Path, text: str, *, force: bool) -> None:
    """Beside first, then in one step to its name, which is not taken from another file unless asked to."""
    try:
        descriptor, beside = tempfile.mkstemp(prefix=f".{out.name}.", dir=out.parent)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as opened:
                opened.write(text)
            Path(beside).chmod(0o644)
            if force:
                Path(beside).replace(out)
            else:
                out.hardlink_to(beside)
        finally:
            Path(beside).unlink(missing_ok=True)
    except FileExistsError:
        raise SettingsError(
            f"nothing was written, as {out} exists; name another file, or say --force"
        ) from None
    except OSError as error:
        raise SettingsError(f"nothing was written to {out}: {error.strerror}; name another place") from None
