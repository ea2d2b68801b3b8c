"""The demo's definitions: the folder that `syncline init` copies."""

from __future__ import annotations

from importlib import resources

import pytest
import yaml

from syncline.contracts.odcs.document import parse_contract
from syncline.demo.predictor import INPUTS

DEFINITIONS = resources.files("syncline.demo") / "definitions"
VIEWS = ("airport_delay", "aircraft", "weather")


def contract(view):
    """The parsed contract of a view."""
    name = f"{view}.odcs.yaml"
    return parse_contract((DEFINITIONS / "contracts" / name).read_text(encoding="utf-8"), file=name)


def document(folder, name):
    """A YAML file of the folder."""
    return yaml.safe_load((DEFINITIONS / folder / name).read_text(encoding="utf-8"))


@pytest.mark.parametrize("view", VIEWS)
def test_every_contract_keeps_the_standard_and_names_its_own_topic(view):
    """Each document passes the standard's schema and our model, and its topic carries view and MAJOR."""
    parsed = contract(view)

    assert (parsed.view, str(parsed.version)) == (view, "1.0")
    assert parsed.topic == f"syncline.features.{view}.v1"
    assert all(feature.unit for feature in parsed.features if feature.type.is_number)


def test_the_bundle_names_only_features_that_exist():
    """Every alias of the bundle names a view, keys and features that a contract states."""
    bundle = document("bundles", "flight_inputs.yaml")

    for entry in bundle["features"]:
        parsed = contract(entry["view"].partition("@")[0])
        assert set(entry.get("features", ())) <= {feature.name for feature in parsed.features}
        assert set(entry.get("keys", ())) <= {key.name for key in parsed.keys}


def test_the_predictor_reads_only_what_the_bundle_hands_out():
    """Each of the model's inputs is a feature under an alias of the bundle."""
    handed_out = set()
    for entry in document("bundles", "flight_inputs.yaml")["features"]:
        view = entry["view"].partition("@")[0]
        features = entry.get("features") or [feature.name for feature in contract(view).features]
        handed_out |= {f"{entry.get('as', view)}__{feature}" for feature in features}

    assert set(INPUTS) <= handed_out


@pytest.mark.parametrize("name", ["delay_predictor.yaml", "ops_dashboard.yaml"])
def test_every_subscription_is_to_the_bundle(name):
    """Each subscription asks for the one bundle there is, and names only its aliases."""
    subscription = document("subscriptions", name)
    bundle = document("bundles", "flight_inputs.yaml")
    aliases = {entry.get("as", entry["view"].partition("@")[0]) for entry in bundle["features"]}

    assert subscription["bundle"] == bundle["name"]
    assert set(subscription.get("freshness", ())) <= aliases
