"""Every name that spans use: OpenTelemetry's semantic conventions for messaging 1.44, and our own `syncline.*`.

The conventions are in development: a name changes here, and in the golden tests, and nowhere else.
"""

from __future__ import annotations

SCHEMA_URL = "https://opentelemetry.io/schemas/1.44.0"
SCOPE = "syncline"

# Conventions: messaging, Kafka, CloudEvents, errors.
SYSTEM = "messaging.system"
KAFKA = "kafka"
OPERATION_NAME = "messaging.operation.name"
OPERATION_TYPE = "messaging.operation.type"
DESTINATION = "messaging.destination.name"
PARTITION = "messaging.destination.partition.id"
GROUP = "messaging.consumer.group.name"
CLIENT_ID = "messaging.client.id"
OFFSET = "messaging.kafka.offset"
TOMBSTONE = "messaging.kafka.message.tombstone"
MESSAGE_COUNT = "messaging.batch.message_count"
EVENT_ID = "cloudevents.event_id"
ERROR_TYPE = "error.type"

# Operation types that the conventions know.
SEND = "send"
RECEIVE = "receive"
PROCESS = "process"
SETTLE = "settle"

# Ours.
SOURCE = "syncline.source"
TRANSFORM = "syncline.transform"
LAG_BUCKET = "syncline.lag.bucket"
"""How long a stage took, in four words: tags are searched for by equality alone."""
LAG_AT = "syncline.lag.at"
"""What a delivery waited for most: `broker` or `agent`."""
CLOCK_SKEW = "syncline.clock_skew"
CONTRACT_RESULT = "syncline.contract.result"
VIEW_VERSION = "syncline.view.version"
APPLY_RESULT = "syncline.apply.result"
BUNDLE = "syncline.bundle"
RELEASE = "syncline.release"
EPOCH = "syncline.epoch"
CUT = "syncline.cut"
ALIGNED = "syncline.cut.aligned"
DECISION = "syncline.decision"
CATALOG_OFFSET = "syncline.catalog.offset"
AGENT = "syncline.agent"
DEAD_LETTERS = "syncline.dead_letters"
"""How many rows one span of dead letters is about."""

LE_100MS = "le_100ms"
LE_1S = "le_1s"
LE_10S = "le_10s"
GT_10S = "gt_10s"

AT_BROKER = "broker"
AT_AGENT = "agent"

PASSED = "passed"
OBSERVED = "observed"
DEAD_LETTERED = "dead_lettered"
HALTED = "halted"
RAISED = "raised"

HELD = "held"
GIVEN_UP = "given_up"
ABORTED = "aborted"
"""Types of trouble that are no rule of a contract."""

WRITTEN = "written"
SUPERSEDED = "superseded"
"""A newer value of the entity stands there already."""

_US = 1_000_000


def lag_bucket(us: int) -> str:
    """The word for a duration in microseconds; one below zero is none."""
    if us <= _US // 10:
        return LE_100MS
    if us <= _US:
        return LE_1S
    return LE_10S if us <= 10 * _US else GT_10S


def source(name: str) -> str:
    """The span of what a job reads its events from."""
    return f"source {name}"


def transform(name: str) -> str:
    """The span of one step of a job."""
    return f"transform {name}"


def send(topic: str) -> str:
    """The span from publish to the broker's log."""
    return f"send {topic}"


def deliver(topic: str) -> str:
    """The span from the broker's log to an agent's hands."""
    return f"deliver {topic}"


def poll(topic: str) -> str:
    """The span of one poll."""
    return f"poll {topic}"


def commit(group: str) -> str:
    """The span of publishing offsets under a group id."""
    return f"commit {group}"


def process(topic: str) -> str:
    """The span from an agent's hands to its store."""
    return f"process {topic}"


CHECK = "check contract"


def apply(view: str) -> str:
    """The span of joining with the cells and committing."""
    return f"apply {view}"


def model_input(bundle: str) -> str:
    """The span from applied to the first read."""
    return f"model input {bundle}"


def cut(bundle: str) -> str:
    """The span of a cut: from the first partition that stood to the switch, or from prepared to committed."""
    return f"cut {bundle}"


def rollback(bundle: str) -> str:
    """The span of an Immediate."""
    return f"rollback {bundle}"


def dead_letter(topic: str) -> str:
    """The span of rows that went to the dead letters."""
    return f"dead letter {topic}"


def hold(topic: str) -> str:
    """The span of a partition that does not go on."""
    return f"hold {topic}"
