"""The demo's changes: real files, laid over the definitions as a team would edit them."""

from __future__ import annotations

import pytest

from syncline.catalog.events import PolicyKind
from syncline.contracts.checks.rows import compile_rows
from syncline.contracts.compatibility.compare import compare
from syncline.contracts.compatibility.comparison import Level
from syncline.definitions.folder import read_folder
from syncline.demo.airport_versions import VERSIONS
from syncline.demo.applying import DefinitionsFolder
from syncline.demo.predictor import INPUTS


@pytest.fixture
def folder(tmp_path):
    """The working copy that the demo edits."""
    return DefinitionsFolder(tmp_path)


def airports(folder):
    """Reference → contract of `airport_delay`, of each MAJOR that the folder holds."""
    found = [file.contract for file in read_folder(folder.path).contracts]
    return {contract.reference: contract for contract in found if contract.view == "airport_delay"}


def handed_out(folder):
    """The full names of all features of `airport_delay` that the bundle names."""
    (bundle,) = read_folder(folder.path).bundles
    return {f"{use.alias}__{feature}" for use in bundle.views for feature in use.features or ()}


def test_the_minor_adds_one_feature_and_asks_for_no_more_than_a_minor(folder):
    """From 1.0 to 1.1 only `movements_1h` is new, and the bundle hands it out."""
    before = airports(folder)["airport_delay@1.0"]
    edited = folder.edit("minor")
    after = airports(folder)["airport_delay@1.1"]

    changes = compare(before, after).changes
    assert edited == ["bundles/flight_inputs.yaml", "contracts/airport_delay.odcs.yaml"]
    assert {(change.what, change.rule) for change in changes if change.level > Level.METADATA} == {
        ("movements_1h", "feature-added")
    }
    assert max(change.level for change in changes) is Level.MINOR
    assert "origin_delay__movements_1h" in handed_out(folder)


def test_the_major_changes_the_unit_of_both_delays_and_no_name(folder):
    """From 1.1 to 2.0 the delays become seconds; both MAJORs stand side by side, each with a topic of its own."""
    folder.edit("minor")
    names = handed_out(folder)
    folder.edit("major")
    one, two = airports(folder).values()

    rules = {(change.what, change.rule) for change in compare(one, two).changes}
    assert (one.reference, two.reference) == ("airport_delay@1.1", "airport_delay@2.0")
    assert {("dep_delay_mean_1h", "unit-changed"), ("arr_delay_mean_1h", "unit-changed")} <= rules
    assert one.topic != two.topic
    assert handed_out(folder) == names


def test_the_consumer_takes_the_major_only_because_it_says_so(folder):
    """The predictor's policy is `compatible` until the MAJOR's own files change it; the dashboard's stays pinned."""
    policies = {one.name: one.policy for one in read_folder(folder.path).subscriptions}
    folder.edit("minor")
    assert {one.name: one.policy for one in read_folder(folder.path).subscriptions} == policies
    folder.edit("major")

    assert policies == {"delay-predictor": PolicyKind.COMPATIBLE, "ops-dashboard": PolicyKind.PIN}
    assert {one.name: one.policy for one in read_folder(folder.path).subscriptions} == {
        "delay-predictor": PolicyKind.FOLLOW,
        "ops-dashboard": PolicyKind.PIN,
    }


def test_what_the_job_writes_keeps_the_contract_of_each_version(folder, demo_heard):
    """Every airport row of the demo, but for its one true outlier, is sound in each of the three versions."""
    found = airports(folder)
    folder.edit("minor")
    found |= airports(folder)
    folder.edit("major")
    found |= airports(folder)
    rows = [row for _, view, row in demo_heard if view == "airport_delay"]

    assert found.keys() == VERSIONS.keys()
    for version, contract in found.items():
        check = compile_rows(contract)
        broken = [violation.feature for row in rows for violation in check(VERSIONS[version](row))]
        assert broken == ["arr_delay_mean_1h"]


def test_the_model_reads_nothing_that_a_change_takes_away(folder):
    """Each of the model's airport features is handed out by every release."""
    needed = {name for name in INPUTS if name.startswith(("origin_delay__", "dest_delay__"))}
    for change in ("minor", "major"):
        folder.edit(change)
        assert needed <= handed_out(folder)
