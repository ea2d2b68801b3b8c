"""What users build on. A change here is deliberate, and stands in the changelog."""

from __future__ import annotations

import inspect
import subprocess
import sys

import click
import pytest

import syncline
from syncline import errors
from syncline.cli.main import COMMANDS, cli
from syncline.reader import ModelInput, ModelInputs, Status
from syncline.settings import (
    AgentSettings,
    ConnectionSettings,
    CoordinatorSettings,
    PublisherSettings,
    TelemetrySettings,
)


def public_names(kind: type) -> list[str]:
    """The names of a class that do not begin with an underscore, sorted."""
    return sorted(name for name in dir(kind) if not name.startswith("_"))


def parameters(function: object) -> list[str]:
    """The names of a function's parameters, without self."""
    assert callable(function)
    return [name for name in inspect.signature(function).parameters if name != "self"]


def test_the_package_offers_two_roles() -> None:
    """`from syncline import …` gives a publisher, a reader and the version."""
    assert syncline.__all__ == ["FeatureReader", "Publisher", "__version__"]


def test_the_publishers_methods() -> None:
    """Methods and parameters of Publisher and of what `view` gives."""
    from syncline.publisher import Delivery, ViewPublisher

    assert public_names(syncline.Publisher) == [
        "close",
        "flush",
        "from_env",
        "source",
        "stats",
        "transform",
        "view",
    ]
    assert parameters(syncline.Publisher.view) == ["reference", "timeout_s"]
    assert parameters(syncline.Publisher.source) == ["name", "since"]
    assert parameters(syncline.Publisher.transform) == ["name"]
    assert public_names(ViewPublisher) == ["delete", "publish", "publish_many"]
    assert parameters(ViewPublisher.publish) == ["keys", "features", "event_time", "on_outcome"]
    assert parameters(ViewPublisher.publish_many) == ["rows", "on_outcome"]
    assert parameters(ViewPublisher.delete) == ["keys", "event_time", "on_outcome"]
    assert {"acknowledged", "failed", "unknown", "queued", "dead_lettered", "outcome", "result"} <= set(
        public_names(Delivery)
    )


def test_the_readers_methods() -> None:
    """Methods and parameters of FeatureReader, and what a model input says."""
    assert public_names(syncline.FeatureReader) == [
        "close",
        "condition",
        "get",
        "get_many",
        "join_keys",
        "serving",
    ]
    asked = ["bundle", "keys", "features", "full_feature_names", "allow_not_ready"]
    assert parameters(syncline.FeatureReader.get) == asked
    assert parameters(syncline.FeatureReader.get_many) == asked
    assert {"values", "statuses", "ages", "release", "cut", "epoch", "sources", "event_times"} <= set(
        public_names(ModelInput)
    )
    assert {"to_arrow", "to_pandas", "to_dict", "statuses", "ages", "release", "cut"} <= set(
        public_names(ModelInputs)
    )
    assert sorted(Status) == ["INVALID", "NOT_FOUND", "NULL_VALUE", "OUTSIDE_MAX_AGE", "PRESENT"]


def test_every_error_stands_in_the_tree() -> None:
    """The drawing in errors.py names every error class, and no other."""
    drawn = errors.__doc__ or ""
    classes = {
        name
        for name, kind in vars(errors).items()
        if isinstance(kind, type) and issubclass(kind, errors.SynclineError)
    }
    names = {word for line in drawn.splitlines() for word in line.split() if word[:1].isupper()}

    assert classes <= names
    assert names & {name for name in names if name.endswith("Error")} <= classes


def test_the_commands_and_their_options() -> None:
    """Names of commands and options."""
    context = click.Context(cli)
    commands = {name: cli.get_command(context, name) for name in COMMANDS}
    for name, group in list(commands.items()):
        if isinstance(group, click.Group):
            if not group.invoke_without_command:
                del commands[name]
            commands |= {f"{name} {inner}": command for inner, command in group.commands.items()}
    shared = {"--bootstrap-servers", "--registry", "--prefix", "--output"}
    found = {}
    for name, command in commands.items():
        assert command is not None
        spelled = {option for one in command.params for option in (*one.opts, *one.secondary_opts)}
        options = {option for option in spelled if option.startswith("--")}
        found[name] = sorted(options - shared)

    assert found == {
        "init": [],
        "validate": [],
        "plan": ["--allow-widening", "--detailed-exitcode"],
        "apply": ["--actor", "--allow-widening", "--reason", "--yes"],
        "agent": ["--instance", "--log-level", "--metrics", "--snapshots", "--store", "--subscription"],
        "coordinator": ["--log-level", "--metrics", "--name"],
        "get": ["--feature", "--store"],
        "trace": ["--feature", "--jaeger", "--store", "--values"],
        "status": ["--all", "--consumer", "--partitions"],
        "verify": ["--actor", "--audit", "--cut", "--explain", "--reason", "--timeout"],
        "rollout start": [
            "--actor",
            "--consumer",
            "--evidence",
            "--final-after",
            "--label",
            "--no-wait",
            "--reason",
            "--timeout",
            "--wait",
            "--yes",
        ],
        "rollout promote": ["--actor", "--evidence", "--no-wait", "--reason", "--timeout", "--wait", "--yes"],
        "rollout pause": ["--actor", "--no-wait", "--reason", "--timeout", "--wait"],
        "rollout abort": ["--actor", "--evidence", "--no-wait", "--reason", "--timeout", "--wait"],
        "rollout rollback": [
            "--actor",
            "--evidence",
            "--mode",
            "--no-wait",
            "--reason",
            "--timeout",
            "--wait",
        ],
        "rollout status": [],
        "catalog log": [
            "--about",
            "--actor",
            "--counted",
            "--follow",
            "--kind",
            "--last",
            "--since",
            "--until",
            "--void",
        ],
        "lineage": ["--down", "--up"],
        "lock show": ["--release", "--store"],
        "lock diff": ["--detailed-exitcode", "--from", "--to"],
        "deprecate": ["--actor", "--alternative", "--reason", "--since", "--until", "--yes"],
        "retire": ["--actor", "--reason", "--yes"],
        "withdraw": ["--actor", "--reason", "--yes"],
        "doctor": ["--snapshots", "--store"],
        "dlq list": ["--feature", "--id", "--limit", "--rule", "--since", "--until", "--view-version"],
        "dlq show": [],
        "dlq replay": [
            "--as",
            "--feature",
            "--id",
            "--limit",
            "--rule",
            "--since",
            "--until",
            "--view-version",
            "--yes",
        ],
        "skip": ["--actor", "--reason", "--schema-id", "--yes"],
        "snapshot create": ["--store", "--to"],
        "snapshot list": ["--verify"],
        "snapshot restore": ["--id", "--replace", "--store"],
        "contract avro": ["--compact", "--folder"],
        "contract json-schema": ["--folder"],
        "contract diff": ["--detailed-exitcode", "--folder"],
        "contract docs": ["--offline", "--output-dir"],
        "contract infer": ["--event-time", "--force", "--key", "--out", "--owner", "--view"],
        "demo": ["--stack"],
        "demo publish": ["--rate", "--rounds"],
    }


def test_the_settings() -> None:
    """Names of the settings, which are the names of the variables."""
    connection = ["bootstrap_servers", "client", "prefix", "registry_url"]
    assert sorted(ConnectionSettings.model_fields) == connection
    telemetry = ["metrics", "trace_cap_per_s", "trace_share"]
    assert sorted(set(TelemetrySettings.model_fields) - set(connection)) == telemetry
    connection += telemetry
    assert sorted(set(PublisherSettings.model_fields) - set(connection)) == [
        "busy_timeout_s",
        "delivery_timeout_s",
        "flush_timeout_s",
        "heartbeat_interval_s",
        "on_violation",
        "publisher",
        "tie_memory_keys",
        "violation_window_s",
    ]
    assert sorted(set(AgentSettings.model_fields) - set(connection)) == [
        "alignment_limit_s",
        "batch_bytes",
        "batch_rows",
        "instance",
        "poll_timeout_s",
        "report_interval_s",
        "snapshot_interval_s",
        "snapshots",
        "stop_timeout_s",
        "store",
        "subscription",
        "violation_window_s",
    ]
    assert sorted(set(CoordinatorSettings.model_fields) - set(connection)) == [
        "coordinator",
        "fleet_memory_s",
        "prepare_timeout_s",
        "report_interval_s",
        "stop_timeout_s",
        "takeover_after_s",
    ]


@pytest.mark.parametrize("heavy", ["confluent_kafka", "pyarrow", "lmdb", "pandas", "pydantic", "numpy"])
def test_importing_the_package_loads_nothing_heavy(heavy: str) -> None:
    """`import syncline` costs a job nothing that it does not use."""
    code = f"import syncline, sys; sys.exit({heavy!r} in sys.modules)"

    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
