"""Which contract a word on the command line means: a file, or a reference into the folder or the catalog."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from syncline.catalog.fold import Picture
from syncline.catalog.references import ViewReference, parse_reference
from syncline.contracts.model import Contract
from syncline.contracts.nearest import nearest
from syncline.definitions.folder import CONTRACTS, read_contract, read_folder
from syncline.definitions.model import Definitions
from syncline.definitions.views import Views
from syncline.errors import LogError, SettingsError
from syncline.settings import ConnectionSettings

_FILE_SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class Lookup:
    """Where contracts are looked for: the folder first, then the catalog of the settings."""

    folder: str
    settings: ConnectionSettings

    def find(self, word: str) -> Contract:
        """The contract that `word` means.

        Raises:
            SettingsError: nothing, or more than one, is meant; the message names what there is.
            DefinitionError: the file, or the folder, is wrong.
        """
        if Path(word).is_file() or word.endswith(_FILE_SUFFIXES) or "/" in word:
            return read_contract(word, prefix=self.settings.prefix)
        reference = as_view(word)
        definitions = read_if_there(self.folder, self.settings.prefix)
        where = f"in the folder {self.folder}"
        known = Views(definitions, prefix=self.settings.prefix)
        found = _chosen(reference, known, where)
        if found is not None:
            return found
        try:
            picture = read_catalog(self.settings)
        except LogError as error:
            raise SettingsError(
                f"there is no {word} {where}, and the catalog could not be asked: {error}. {_remedy(reference, known)}"
            ) from None
        known = Views(definitions, picture, prefix=self.settings.prefix)
        found = _chosen(reference, known, "in the catalog")
        if found is None:
            raise SettingsError(
                f"there is no {word}, neither {where} nor in the catalog. {_remedy(reference, known)}"
            )
        return found


def as_view(word: str) -> ViewReference:
    """The view, perhaps with a version, that a word means.

    Raises:
        SettingsError: it is no reference, or one of a single feature.
    """
    try:
        reference = parse_reference(word)
    except ValueError as error:
        raise SettingsError(f"{error}; or name a file") from None
    if reference.feature is not None:
        raise SettingsError(
            f"{word} names a feature: a contract is of a whole view, so write {reference.view}"
        )
    return reference


def read_if_there(folder: str, prefix: str) -> Definitions:
    """The definitions of a folder; none where it has no `contracts/`.

    Raises:
        DefinitionError: the definitions are wrong.
    """
    return read_folder(folder, prefix=prefix) if (Path(folder) / CONTRACTS).is_dir() else Definitions()


def read_catalog(settings: ConnectionSettings) -> Picture:
    """What the catalog says now.

    Raises:
        LogError: no broker answered, or nothing has been applied yet.
    """
    from syncline.cli.letters import open_catalog

    return open_catalog(settings)[1]


def nearest_view(reference: ViewReference, known: Views) -> str:
    """What to write instead of a reference that is not known."""
    versions = known.versions(reference.view)
    if versions:
        return "There is " + ", ".join(f"{reference.view}@{version}" for version in versions)
    return nearest(reference.view, known.names())


def _chosen(reference: ViewReference, known: Views, where: str) -> Contract | None:
    fitting = [
        version
        for version in known.versions(reference.view)
        if reference.major in (None, version.major) and reference.minor in (None, version.minor)
    ]
    majors = sorted({version.major for version in fitting})
    if len(majors) > 1:
        choices = ", ".join(f"{reference.view}@{major}" for major in majors)
        raise SettingsError(f"{reference} may be several contracts {where}: name one of {choices}")
    return known.contract(reference.view, fitting[-1]) if fitting else None


def _remedy(reference: ViewReference, known: Views) -> str:
    if known.names():
        return nearest_view(reference, known)
    return "Name a file, a folder that holds contracts/ (--folder), or the cluster (--bootstrap-servers)"
