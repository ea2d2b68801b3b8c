"""What doctor says of a catalog that it cannot read, and of who decides where nobody says so."""

from __future__ import annotations

import pytest

from syncline.cli import authorship, health
from syncline.settings import ConnectionSettings
from tests.unit.agent.world import CATALOG, Cluster


def test_a_catalog_that_cannot_be_read_has_a_remedy() -> None:
    """What is wrong with topic and offset, and what to do; nothing that leads nowhere."""
    cluster = Cluster()
    cluster.make_topics()
    writer = cluster.log.writer(client_id="tests")
    writer.append(CATALOG, key=b"k", value=b"\xc3\x01" + b"\x07" * 8 + b"rest", partition=0)
    writer.flush(1)

    _, (check,) = health._catalog(cluster.log, ConnectionSettings())

    assert (
        "syncline.catalog offset 0: the CatalogRecord was written by a newer Syncline: upgrade" in check.said
    )
    assert check.remedy == "Mend this first: the rest cannot be checked without it"


@pytest.mark.parametrize("name", ["  ", "ad\udce4"])
def test_a_user_without_a_name_is_a_number(monkeypatch: pytest.MonkeyPatch, name: str) -> None:
    """P11: an environment with a blank, or with bytes that are no text, gives no who."""
    monkeypatch.setattr(authorship.getpass, "getuser", lambda: name)

    assert authorship._system_user().startswith("uid ")
