"""Settings: one frozen slice a role. Read from `SYNCLINE_…` variables only where a role is started, never at import."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Literal, Self

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict
from pydantic_settings import SettingsError as UnreadableSetting

from syncline.errors import SettingsError

_PORTS = 65_536


class ConnectionSettings(BaseSettings):
    """Where the cluster and the registry are. Every role that talks to them has these."""

    model_config = SettingsConfigDict(env_prefix="SYNCLINE_", frozen=True, extra="ignore")

    bootstrap_servers: str = "127.0.0.1:9092"
    """Kafka brokers, as `host:port,host:port`."""
    registry_url: str = "http://127.0.0.1:8081"
    """The schema registry's Confluent API. Credentials do not belong here."""
    prefix: str = Field(default="syncline", pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$")
    """What every topic's name begins with: what Kafka allows in one, and short enough for the rest."""
    client: dict[str, str | int] = Field(default_factory=dict)
    """Passed through to librdkafka as it stands: `{"security.protocol": "SSL", …}` (JSON in the variable)."""

    @classmethod
    def load(cls, **given: object) -> Self:
        """From the environment, with what is given here (and is not None) in its place.

        Raises:
            SettingsError: a setting has no valid value; all of them are named.
        """
        try:
            return cls(**{name: value for name, value in given.items() if value is not None})  # type: ignore[arg-type]  # pydantic checks each
        except ValidationError as error:
            wrong = "; ".join(
                f"SYNCLINE_{'_'.join(map(str, found['loc'])).upper()}: {found['msg']}"
                for found in error.errors(include_input=False, include_url=False)
            )
            raise SettingsError(wrong) from None
        except UnreadableSetting:
            # Its own text may quote the value, and `client` holds passwords.
            raise SettingsError(
                'SYNCLINE_CLIENT is no JSON: write a mapping such as {"security.protocol": "SSL"}'
            ) from None


class TelemetrySettings(ConnectionSettings):
    """What every role says of itself. Where spans go is what the `OTEL_…` variables say, as everywhere."""

    metrics: str = ""
    """Where this process serves `/metrics`, as `127.0.0.1:9464`; empty: nowhere. A publisher's metrics are in the
    application's registry as well."""
    trace_share: float | None = Field(default=None, ge=0, le=1)
    """Which share of updates is traced. [default: what OTEL_TRACES_SAMPLER says, else 0.01]"""
    trace_cap_per_s: float = Field(default=50.0, ge=0)
    """How many updates a second are traced at most, in this process; `inf`: no limit."""

    @field_validator("metrics")
    @classmethod
    def _an_address(cls, text: str) -> str:
        host, _, port = text.rpartition(":")
        if text and not (host and port.isdigit() and int(port) < _PORTS):
            raise ValueError("write host:port, such as 127.0.0.1:9464")
        return text


class PublisherSettings(TelemetrySettings):
    """A publisher: a library inside a streaming job."""

    publisher: str = Field(default_factory=socket.gethostname, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Its name: stable over restarts, unique among the jobs that publish the same view."""
    on_violation: Literal["raise", "deadLetter", "observe"] = "raise"
    busy_timeout_s: float = Field(default=30.0, ge=0)
    """How long publish waits while the queue is full, before it raises PublisherBusy."""
    flush_timeout_s: float = Field(default=60.0, gt=0)
    delivery_timeout_s: float = Field(default=120.0, gt=0)
    """After this an update without an answer is reported as unknown."""
    heartbeat_interval_s: float = Field(default=5.0, gt=0)
    tie_memory_keys: int = Field(default=100_000, ge=1)
    """Of how many keys the last event time is remembered, so that ties are made distinct."""
    violation_window_s: float = Field(default=60.0, gt=0)
    """Over how long violations are counted before they are reported."""


class AgentSettings(TelemetrySettings):
    """An agent: a sidecar beside an inference service."""

    subscription: str
    """The subscription's name, or a YAML file that holds it."""
    store: Path = Path("/var/lib/syncline")
    instance: str = Field(default_factory=socket.gethostname, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Which of the consumer's replicas this is: stable over restarts, never a pod's random name."""
    batch_rows: int = Field(default=20_000, ge=1)
    batch_bytes: int = Field(default=16_000_000, ge=1)
    poll_timeout_s: float = Field(default=0.1, gt=0)
    report_interval_s: float = Field(default=5.0, gt=0)
    violation_window_s: float = Field(default=60.0, gt=0)
    """Over how long violations are counted before they are reported."""
    stop_timeout_s: float = Field(default=1.5, gt=0)
    alignment_limit_s: float = Field(default=30.0, gt=0)
    """How long partitions stand for one cut before the agent goes on under the old release, and switches later."""
    snapshots: str = ""
    """Where snapshots are, a folder or any URL that fsspec knows: a new agent starts from the newest; empty: none."""
    snapshot_interval_s: float = Field(default=0.0, ge=0)
    """How often this agent takes one itself; 0: never. It does nothing else meanwhile, about 3 s for a million cells:
    of a large store take them with `syncline snapshot create`, in a process of its own."""


class CoordinatorSettings(TelemetrySettings):
    """A coordinator: one is live, others stand by."""

    coordinator: str = Field(default_factory=socket.gethostname, pattern=r"^[A-Za-z0-9._-]{1,100}$")
    """Its name: stable over restarts, unique among the coordinators of a catalog."""
    takeover_after_s: float = Field(default=15.0, gt=0)
    """After so long without a report of the one that is live, a standby claims."""
    report_interval_s: float = Field(default=2.0, gt=0)
    prepare_timeout_s: float = Field(default=10.0, gt=0)
    """How long the markers of one cut may take before it is aborted. Less than the agents' alignment limit."""
    fleet_memory_s: float = Field(default=60.0, gt=0)
    """An agent that was not heard of for so long is not waited for."""
    stop_timeout_s: float = Field(default=1.5, gt=0)
