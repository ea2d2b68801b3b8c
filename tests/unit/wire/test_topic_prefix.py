"""Prefixes of topics, odd ones included."""

from __future__ import annotations

import pytest

from syncline.errors import SettingsError
from syncline.settings import ConnectionSettings
from syncline.wire.topics import Topics, prefix_of


@pytest.mark.parametrize("prefix", ["syncline", "prod.eu", "team.features.prod", "features"])
def test_a_prefix_is_found_again_in_its_topics(prefix: str) -> None:
    """P2: readers and agents rebuild a contract's topic from the catalog: it must be the topic that was made."""
    assert prefix_of(Topics(prefix).features("airport_delay", 2)) == prefix


@pytest.mark.parametrize("prefix", ["", ".x", "a b", "a/b", "\u00fc", "x" * 101])
def test_a_prefix_that_kafka_would_refuse_is_refused(prefix: str) -> None:
    """One clear answer, that names the setting, before any broker is asked."""
    with pytest.raises(SettingsError, match="SYNCLINE_PREFIX"):
        ConnectionSettings.load(prefix=prefix)
