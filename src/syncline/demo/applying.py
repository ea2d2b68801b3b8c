"""The demo's folder of definitions: what `syncline init` writes, then edited as a team would, and applied each time."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import resources
from pathlib import Path

from syncline.catalog.fold import Picture
from syncline.catalog_client import Author, CatalogClient
from syncline.clock import Clock
from syncline.definitions.apply import Ports, apply
from syncline.definitions.folder import read_folder
from syncline.definitions.observe import observe
from syncline.definitions.plan import plan
from syncline.demo.cluster import Cluster
from syncline.wire.topics import Topics

_PACKAGE = resources.files("syncline") / "demo"
_CATALOG_S = 10.0
FOLDER_NAME = "flight-features"


class DefinitionsFolder:
    """A working copy of the definitions, in `parent`."""

    def __init__(self, parent: Path) -> None:
        self.path = parent / FOLDER_NAME
        with resources.as_file(_PACKAGE / "definitions") as folder:
            shutil.copytree(folder, self.path)

    def edit(self, change: str) -> list[str]:
        """Put the files of a change (`minor`, `major`) in the place of what was there; returns which."""
        with resources.as_file(_PACKAGE / "changes" / change) as folder:
            shutil.copytree(folder, self.path, dirs_exist_ok=True)
            return sorted(
                file.relative_to(folder).as_posix() for file in folder.rglob("*.yaml") if file.is_file()
            )


def apply_folder(
    folder: Path, cluster: Cluster, *, clock: Clock, reason: str, on_step: Callable[[str], None]
) -> Picture:
    """What `syncline apply` does; returns the catalog as it is then.

    In this process, as only the process of an embedded broker can make topics.

    Raises:
        DefinitionError: the folder cannot be applied to this catalog.
    """
    topics = Topics(cluster.settings.prefix)
    definitions = read_folder(folder, prefix=cluster.settings.prefix)
    catalog = CatalogClient(cluster.log, topics.catalog, clock=clock, client_id="syncline-demo-apply")
    try:
        seen = observe(
            definitions, log=cluster.log, registry=cluster.registry, catalog=catalog, topics=topics
        )
        planned = plan(
            definitions,
            seen.picture,
            topics=seen.topics,
            refusals=seen.refusals,
            prefix=cluster.settings.prefix,
        )
        ports = Ports(cluster.log, cluster.registry, catalog, clock)
        apply(planned, ports, Author("syncline demo", reason), on_step=on_step)
        return catalog.catch_up(_CATALOG_S)
    finally:
        catalog.close()
