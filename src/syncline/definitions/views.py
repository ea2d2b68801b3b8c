"""The view versions that a bundle can name: those of the folder, and those of the catalog."""

from __future__ import annotations

import json
from collections.abc import Sequence

from syncline.catalog.fold import Picture
from syncline.catalog.references import ViewReference
from syncline.contracts.codec.avro import as_registered
from syncline.contracts.model import Contract, Version
from syncline.contracts.odcs.document import contract_from_document
from syncline.definitions.model import Definitions


class Views:
    """Contracts by view and version. A version in folder and catalog is taken from the folder."""

    def __init__(
        self, definitions: Definitions, picture: Picture | None = None, *, prefix: str = "syncline"
    ) -> None:
        self._picture = picture
        self._prefix = prefix
        self._folder = {
            (file.contract.view, file.contract.version.without_patch): file.contract
            for file in definitions.contracts
        }
        self._registered: dict[tuple[str, Version], Contract] = {}

    @property
    def knows_catalog(self) -> bool:
        """Whether what is not found here does not exist at all."""
        return self._picture is not None

    def find(self, reference: ViewReference) -> Contract | None:
        """The version that a reference with a MAJOR means: the newest of the MAJOR where it names no MINOR."""
        fitting = [
            version
            for version in self.versions(reference.view)
            if version.major == reference.major and reference.minor in (None, version.minor)
        ]
        return self.contract(reference.view, fitting[-1]) if fitting else None

    def contract(self, view: str, version: Version) -> Contract:
        """The contract of a version that is known."""
        key = (view, version.without_patch)
        return self._folder.get(key) or self._from_catalog(*key)

    def versions(self, view: str) -> Sequence[Version]:
        """All known versions of a view, ascending."""
        known = {version for name, version in self._folder if name == view}
        if self._picture is not None:
            known.update(self._picture.views.get(view, {}))
        return sorted(known, key=lambda version: (version.major, version.minor))

    def names(self) -> set[str]:
        """All known views."""
        return {name for name, _ in self._folder} | set(self._picture.views if self._picture else ())

    def registered(self, view: str, version: Version) -> Contract | None:
        """The contract of that version as the catalog has it, or None."""
        if self._picture is None or self._picture.version(view, version) is None:
            return None
        return self._from_catalog(view, version.without_patch)

    def following(self, contract: Contract) -> Contract:
        """The contract with the Avro unions that stay, as the newest registered version of its MAJOR has them."""
        newest = (
            self._picture.newest(contract.view, contract.version.major) if self._picture is not None else None
        )
        return contract if newest is None else as_registered(contract, newest.avro_schema)

    def _from_catalog(self, view: str, version: Version) -> Contract:
        if (view, version) not in self._registered:
            found = self._picture.version(view, version) if self._picture is not None else None
            if found is None:
                raise AssertionError(f"{view}@{version} is asked for without having been found")
            self._registered[view, version] = contract_from_document(
                json.loads(found.contract), file=f"catalog: {view}@{version}", prefix=self._prefix
            )
        return self._registered[view, version]
