"""Reading a folder of definitions: everything that is wrong is said, once, where it stands, with a remedy."""

from __future__ import annotations

import os

import pytest

from syncline.catalog.events import PolicyKind
from syncline.definitions.folder import read_folder, read_subscriptions
from syncline.errors import DefinitionError, Problem
from tests.unit.definitions.texts import (
    BUNDLE,
    BUNDLE_FILE,
    CONTRACT,
    CONTRACT_FILE,
    SUBSCRIPTION,
    SUBSCRIPTION_FILE,
    WEATHER,
    WEATHER_FILE,
    WHOLE,
    changed,
    write,
)


def problems_of(folder, files) -> list[Problem]:
    """What `read_folder` says is wrong."""
    with pytest.raises(DefinitionError) as raised:
        read_folder(write(folder, files))
    return list(raised.value.problems)


def only_problem(folder, files) -> tuple[str, int | None, str, str, str, str]:
    """The one problem there is, as a tuple."""
    problems = problems_of(folder, files)
    assert len(problems) == 1, [str(problem) for problem in problems]
    found = problems[0]
    return found.file, found.line, found.path, found.rule, found.message, found.remedy


def test_a_folder_that_holds_together_is_read_whole(tmp_path):
    """Contracts, bundles and subscriptions come back as written, sorted by file."""
    definitions = read_folder(write(tmp_path, WHOLE))

    assert [file.contract.reference for file in definitions.contracts] == ["airport_delay@1.0", "weather@1.0"]
    (bundle,) = definitions.bundles
    assert [(use.alias, use.keys, use.features) for use in bundle.views] == [
        ("origin", (("airport", "origin"),), ("delay",)),
        ("dest", (("airport", "dest"),), None),
        ("weather", (), None),
    ]
    (subscription,) = definitions.subscriptions
    assert (subscription.policy, subscription.policy_release) == (PolicyKind.COMPATIBLE, 1)
    assert subscription.freshness_us == (("origin", 5_000_000), ("weather", 7_200_000_000))
    assert (subscription.model_name, subscription.model_version, subscription.required) == (
        "delay",
        "12",
        True,
    )
    assert subscription.accepts_widening is False
    assert definitions.notes == ()


def test_a_subscription_may_accept_wider_values(tmp_path):
    """`acceptsWidening: true` is the consumer's consent, and it gets into what the catalog keeps."""
    text = SUBSCRIPTION + "acceptsWidening: true\n"

    (subscription,) = read_folder(write(tmp_path, {**WHOLE, SUBSCRIPTION_FILE: text})).subscriptions

    assert subscription.declared.accepts_widening is True


def test_one_file_may_hold_a_bundle_and_a_subscription(tmp_path):
    """Documents of a file are told apart by `---` and `kind`, as the design's example does."""
    definitions = read_folder(
        write(
            tmp_path,
            {CONTRACT_FILE: CONTRACT, WEATHER_FILE: WEATHER, BUNDLE_FILE: f"{BUNDLE}---\n{SUBSCRIPTION}"},
        )
    )

    assert [bundle.name for bundle in definitions.bundles] == ["flight_inputs"]
    assert [subscription.name for subscription in definitions.subscriptions] == ["delay-predictor"]


@pytest.mark.parametrize(
    ("replacement", "expected"),
    [
        (("version: 1.0.0", "version: one"), (4, "version", "version")),
        (("version: 1.0.0", "versoin: 1.0.0"), (4, "versoin", "unknown-key")),
        (("team: {name: flight-ops}\n", ""), (1, "team", "owner")),
        (("logicalType: number", "logicalType: nubmer"), (15, "schema[0].properties[2].logicalType", "odcs")),
        (
            ("minimum: -120", "minimum: 2000"),
            (17, "schema[0].properties[2].logicalTypeOptions", "empty-range"),
        ),
        ((", primaryKey: true", ""), (11, "schema[0].properties", "no-key")),
        (
            (
                "{name: departures, logicalType: integer, required: true}",
                "{name: delay, logicalType: integer, required: true}",
            ),
            (18, "schema[0].properties[3].name", "duplicate-name"),
        ),
        (("apiVersion: v3.2.0", "apiVersion: v3.0.0"), (1, "apiVersion", "api-version")),
        (("value: 2}", "value: 0}"), (22, "customProperties[0].value", "partitions")),
        (("syncline.partitions", "syncline.partition"), (22, "customProperties[0]", "unknown-key")),
        (("value: 5, unit: s", "value: 5, unit: fortnight"), (20, "slaProperties[0].value", "duration")),
        (("version: 1.0.0", "\tversion: 1.0.0"), (4, "", "yaml")),
    ],
)
def test_a_broken_contract_is_refused_where_it_is_broken(tmp_path, replacement, expected):
    """Contract files broken in a dozen ways: file, line, place and rule of each."""
    problems = problems_of(tmp_path, {**WHOLE, CONTRACT_FILE: changed(CONTRACT, replacement)})

    found = [(problem.line, problem.path, problem.rule) for problem in problems]
    assert expected in found, found
    assert {problem.file for problem in problems} == {CONTRACT_FILE}, "no other file is blamed for it"
    assert all(problem.message and problem.remedy for problem in problems)


@pytest.mark.parametrize(
    ("replacement", "line", "path", "rule", "message", "remedy"),
    [
        (
            ("owner: flight-ops", "owner: flight-ops\nfeature: []"),
            5,
            "feature",
            "unknown-key",
            "there is no `feature` here",
            "Did you mean `features`?",
        ),
        (
            ("name: flight_inputs", "name: Flight Inputs"),
            3,
            "name",
            "name",
            "'Flight Inputs' is not allowed",
            "Use lower-case letters, digits and `_`, beginning with a letter, at most 100 characters",
        ),
        (
            ("apiVersion: syncline/v1", "apiVersion: syncline/v2"),
            1,
            "apiVersion",
            "api-version",
            "apiVersion 'syncline/v2' is not read here",
            "Write `apiVersion: syncline/v1`",
        ),
        (
            ("kind: Bundle", "kind: Bundel"),
            2,
            "kind",
            "kind",
            "there is no kind 'Bundel'",
            "Did you mean `Bundle`?",
        ),
        (
            ("view: weather@1", "view: weather"),
            8,
            "features[2].view",
            "major",
            "'weather' names no MAJOR version",
            "Write `view: weather@1`",
        ),
        (
            ("view: weather@1", "view: weather@1:temp"),
            8,
            "features[2].view",
            "reference",
            "one feature is named here",
            "Write `features: [temp]` beside the view",
        ),
        (
            ("view: weather@1", "view: Weather@1"),
            8,
            "features[2].view",
            "reference",
            "'Weather@1' is not a reference; write view, view@1, view@1.3 or view@1.3:feature",
            "Write `view: airport_delay@1`",
        ),
        (
            ("as: dest", "as: origin"),
            7,
            "features[1].as",
            "duplicate-alias",
            "`origin` is also what features[0] is called",
            "Give each its own `as`",
        ),
        (
            ("as: dest", "as: de__st"),
            7,
            "features[1].as",
            "alias",
            "`de__st` would make result names ambiguous",
            "Give an `as` without `__` and without `_` at its end",
        ),
        (
            ("keys: {airport: dest}", "keys: {airprot: dest}"),
            7,
            "features[1].keys.airprot",
            "unknown-key",
            "airport_delay@1.0 has no join key `airprot`",
            "Did you mean `airport`?",
        ),
        (
            ("features: [delay]", "features: [dealy]"),
            6,
            "features[0].features[0]",
            "unknown-feature",
            "airport_delay@1.0 has no feature `dealy`",
            "Did you mean `delay`?",
        ),
        (
            ("features: [delay]", "features: [delay, delay]"),
            6,
            "features[0].features[1]",
            "duplicate",
            "`delay` stands here twice",
            "Keep one of them",
        ),
        (
            ("features: [delay]", "features: []"),
            6,
            "features[0].features",
            "empty",
            "`features` is empty",
            "Write `features: [dep_delay_mean_1h]`, or leave it out",
        ),
        (
            ("view: weather@1", "view: weather@1, keys: {station: origin}"),
            8,
            "features[2].keys.station",
            "key-type",
            "`origin` is a long here and a string for `origin`",
            "Map the join key to another name: `keys: {station: ...}`",
        ),
    ],
)
def test_a_broken_bundle_is_refused_where_it_is_broken(
    *, tmp_path, replacement, line, path, rule, message, remedy
):
    """Bundles broken in fourteen ways: the exact problem, and nothing else is blamed."""
    found = only_problem(tmp_path, {**WHOLE, BUNDLE_FILE: changed(BUNDLE, replacement)})

    assert found == (BUNDLE_FILE, line, path, rule, message, remedy)


_POLICY = "Write `policy: {pin: 7}`, `policy: {compatible: 7}` or `policy: follow`"


@pytest.mark.parametrize(
    ("replacement", "line", "path", "rule", "message", "remedy"),
    [
        (
            ("bundle: flight_inputs\n", ""),
            1,
            "",
            "missing-bundle",
            "`bundle` is missing",
            "Write `bundle: ...`",
        ),
        (
            ("name: delay-predictor", "name: delay/predictor"),
            3,
            "name",
            "name",
            "'delay/predictor' is not allowed",
            "Use lower-case letters, digits, `-`, `_` and `.`, beginning with a letter, at most 100 characters",
        ),
        (
            ("policy: {compatible: 1}", "policy: folow"),
            5,
            "policy",
            "policy",
            "'folow' is no policy",
            f"Did you mean `follow`? {_POLICY}",
        ),
        (
            ("policy: {compatible: 1}", "policy: {compatible: 1, pin: 1}"),
            5,
            "policy",
            "policy",
            "{'compatible': 1, 'pin': 1} is no policy",
            _POLICY,
        ),
        (
            ("policy: {compatible: 1}", "policy: {pin: 0}"),
            5,
            "policy",
            "release",
            "0 is no release number",
            "Write `policy: {pin: 1}`",
        ),
        (("policy: {compatible: 1}\n", ""), 1, "", "missing-policy", "`policy` is missing", _POLICY),
        (
            ("labels: {env: test}", "labels: {env: 1}"),
            6,
            "labels.env",
            "type",
            "1 is no text",
            "Put it in quotes",
        ),
        (
            ("origin: 5 s", "orign: 5 s"),
            7,
            "freshness.orign",
            "unknown-alias",
            "flight_inputs has no view called `orign`",
            "Did you mean `origin`?",
        ),
        (
            ("origin: 5 s", "origin: 5"),
            7,
            "freshness.origin",
            "duration",
            "'5' is no duration: write a number and a unit: us, ms, s, min, h, d or w, as in `5 min`",
            "Write a text such as `5 s`",
        ),
        (
            ("origin: 5 s", "origin: 4 s"),
            7,
            "freshness.origin",
            "freshness",
            "4 s is asked for, but airport_delay@1.0 promises a latency of 5 s",
            "Ask for 5 s or more, or agree on a new contract with flight-ops",
        ),
        (
            ("weather: 2 h", "weather: 30 min"),
            7,
            "freshness.weather",
            "freshness",
            "30 min is asked for, but weather@1.0 promises a frequency of 1 h",
            "Ask for 1 h or more, or agree on a new contract with met",
        ),
        (
            ("required: true", "acceptsWidening: yes"),
            9,
            "acceptsWidening",
            "type",
            "'yes' is neither true nor false",
            "Write `true` or `false`",
        ),
        (
            ('version: "12"', "version: 12"),
            8,
            "model.version",
            "type",
            "12 is no text",
            "Write a text; put a number in quotes",
        ),
        (
            ("required: true", "required: yes"),
            9,
            "required",
            "type",
            "'yes' is neither true nor false",
            "Write `true` or `false`",
        ),
    ],
)
def test_a_broken_subscription_is_refused_where_it_is_broken(
    *, tmp_path, replacement, line, path, rule, message, remedy
):
    """Subscriptions broken in fourteen ways: the exact problem, and nothing else is blamed."""
    text = changed(SUBSCRIPTION, replacement)
    if rule == "unknown-alias":
        text = changed(text, ("policy: {compatible: 1}", "policy: follow"))

    assert only_problem(tmp_path, {**WHOLE, SUBSCRIPTION_FILE: text}) == (
        SUBSCRIPTION_FILE,
        line,
        path,
        rule,
        message,
        remedy,
    )


def test_all_problems_of_all_files_come_at_once(tmp_path):
    """Three broken files give their three problems in one go, in the order of their names."""
    files = {
        CONTRACT_FILE: changed(CONTRACT, ("version: 1.0.0", "version: one")),
        WEATHER_FILE: WEATHER,
        BUNDLE_FILE: changed(BUNDLE, ("owner: flight-ops\n", "")),
        SUBSCRIPTION_FILE: changed(SUBSCRIPTION, ("required: true", "required: 1")),
    }

    problems = problems_of(tmp_path, files)

    assert [problem.file for problem in problems] == [BUNDLE_FILE, CONTRACT_FILE, SUBSCRIPTION_FILE]


def test_what_uses_a_broken_definition_is_not_blamed(tmp_path):
    """A contract that cannot be read is one problem, not one more for each bundle and subscription on it."""
    problems = problems_of(tmp_path, {**WHOLE, WEATHER_FILE: "a: [\n"})

    assert [problem.file for problem in problems] == [WEATHER_FILE]


def test_a_name_stated_twice_names_the_other_place(tmp_path):
    """Two documents for one view MAJOR, bundle or subscription: the second is told where the first is."""
    files = {
        **WHOLE,
        "contracts/again.odcs.yaml": changed(CONTRACT, ("version: 1.0.0", "version: 1.1.0")),
        "bundles/more.yaml": BUNDLE,
        "subscriptions/more.yaml": SUBSCRIPTION,
    }

    found = {(problem.file, problem.rule, problem.message) for problem in problems_of(tmp_path, files)}

    assert found == {
        (CONTRACT_FILE, "duplicate", "`airport_delay@1` is also stated in contracts/again.odcs.yaml:3"),
        ("bundles/more.yaml", "duplicate", f"`flight_inputs` is also stated in {BUNDLE_FILE}:3"),
        (
            "subscriptions/more.yaml",
            "duplicate",
            f"`delay-predictor` is also stated in {SUBSCRIPTION_FILE}:3",
        ),
    }


def test_what_only_the_catalog_can_tell_is_a_note(tmp_path):
    """A view or bundle of another team's folder is no fault of this one."""
    definitions = read_folder(write(tmp_path, {BUNDLE_FILE: BUNDLE, SUBSCRIPTION_FILE: SUBSCRIPTION}))

    # The bundle that the subscription names is here, so nothing is said of it.
    assert definitions.notes == (
        "flight_inputs: airport_delay@1 is not in this folder; plan looks for it in the catalog",
        "flight_inputs: airport_delay@1 is not in this folder; plan looks for it in the catalog",
        "flight_inputs: weather@1 is not in this folder; plan looks for it in the catalog",
    )


@pytest.mark.parametrize(
    ("make", "rule"),
    [
        (lambda folder: None, "folder"),
        (lambda folder: folder.write_text("kind: Bundle"), "folder"),
        (lambda folder: folder.mkdir(), "empty"),
        (lambda folder: write(folder, {"contracts/README.md": "nothing here"}), "empty"),
    ],
    ids=["missing", "a file", "empty", "no definitions"],
)
def test_a_folder_without_definitions_is_refused_with_what_to_do(tmp_path, make, rule):
    """Nothing to apply is never taken for success."""
    folder = tmp_path / "definitions"
    make(folder)

    with pytest.raises(DefinitionError) as raised:
        read_folder(folder)

    (problem,) = raised.value.problems
    assert (problem.file, problem.rule) == (str(folder), rule)
    assert "syncline init" in problem.remedy


@pytest.mark.parametrize(
    ("files", "expected"),
    [
        (
            {"contracts/speed.odcs.yml": CONTRACT},
            ("contracts/speed.odcs.yml", "file-name", "Rename it to speed.odcs.yaml"),
        ),
        (
            {"contracts/speed.yaml": CONTRACT},
            ("contracts/speed.yaml", "file-name", "Rename it to speed.odcs.yaml"),
        ),
        ({"bundles/speed.yml": BUNDLE}, ("bundles/speed.yml", "file-name", "Rename it to speed.yaml")),
        (
            {"bundles/old/speed.yaml": BUNDLE},
            ("bundles/old", "subfolder", "Move its files to bundles/, or the folder elsewhere"),
        ),
        (
            {"subscription/a.yaml": SUBSCRIPTION},
            ("subscription", "folder-name", "Rename it to subscriptions"),
        ),
        (
            {"bundles/contract.yaml": CONTRACT},
            ("bundles/contract.yaml", "kind", "Move it to contracts/*.odcs.yaml"),
        ),
        (
            {"bundles/empty.yaml": "# nothing\n"},
            ("bundles/empty.yaml", "empty", "Write the definition, or remove the file"),
        ),
        (
            {"bundles/latin.yaml": b"name: caf\xe9\n"},
            ("bundles/latin.yaml", "utf-8", "Save the file as UTF-8 text"),
        ),
    ],
)
def test_a_file_that_would_be_passed_over_is_said(tmp_path, files, expected):
    """Wrong endings, wrong folders, wrong encodings: nothing that looks like a definition is ignored in silence."""
    problems = problems_of(tmp_path, {**WHOLE, **files})

    assert expected in [(problem.file, problem.rule, problem.remedy) for problem in problems]


def test_a_file_that_is_no_file_is_refused_without_waiting(tmp_path):
    """A symlink loop, a link to nothing and a named pipe are problems; reading does not hang."""
    write(tmp_path, WHOLE)
    bundles = tmp_path / "bundles"
    (bundles / "loop.yaml").symlink_to(bundles / "loop.yaml")
    (bundles / "nothing.yaml").symlink_to(bundles / "nowhere")
    os.mkfifo(bundles / "pipe.yaml")

    problems = problems_of(tmp_path, {})

    assert [(problem.file, problem.rule) for problem in problems] == [
        ("bundles/loop.yaml", "unreadable"),
        ("bundles/nothing.yaml", "unreadable"),
        ("bundles/pipe.yaml", "unreadable"),
    ]


def test_a_linked_file_is_read(tmp_path):
    """Folders mounted by Kubernetes consist of symlinks: they are as good as files."""
    write(
        tmp_path,
        {"elsewhere.yaml": BUNDLE, CONTRACT_FILE: CONTRACT, WEATHER_FILE: WEATHER, "bundles/x.md": ""},
    )
    (tmp_path / "bundles" / "flight.yaml").symlink_to(tmp_path / "elsewhere.yaml")

    assert [bundle.name for bundle in read_folder(tmp_path).bundles] == ["flight_inputs"]


def test_the_subscriptions_of_one_file_are_read_alone(tmp_path):
    """An agent is started with one file, without the folder around it."""
    write(tmp_path, {SUBSCRIPTION_FILE: SUBSCRIPTION})

    (subscription,) = read_subscriptions(tmp_path / SUBSCRIPTION_FILE)

    assert (subscription.name, subscription.bundle) == ("delay-predictor", "flight_inputs")


def test_a_topic_name_of_another_prefix_is_refused(tmp_path):
    """A contract that states its topic cannot be applied under a prefix that gives another one."""
    text = changed(
        CONTRACT,
        (
            "    logicalType: object",
            "    physicalName: prod.features.airport_delay.v1\n    logicalType: object",
        ),
    )
    folder = write(tmp_path, {CONTRACT_FILE: text})

    assert read_folder(folder, prefix="prod").contracts[0].contract.topic == "prod.features.airport_delay.v1"
    with pytest.raises(DefinitionError, match="physical-name"):
        read_folder(folder)
