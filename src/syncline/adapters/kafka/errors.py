"""What librdkafka's error codes mean to us: which event, which outcome, which exception."""

from __future__ import annotations

from confluent_kafka import KafkaError

from syncline.errors import LogError, LogUnavailable, SettingsError, SynclineError, TopicMissing
from syncline.ports.log import EventKind, OutcomeKind

_AWAY = frozenset(
    {
        KafkaError._ALL_BROKERS_DOWN,  # noqa: SLF001  # librdkafka's own codes begin with an underscore
        KafkaError._TRANSPORT,  # noqa: SLF001
        KafkaError._RESOLVE,  # noqa: SLF001
        KafkaError._TIMED_OUT,  # noqa: SLF001
        KafkaError._TIMED_OUT_QUEUE,  # noqa: SLF001
        KafkaError._WAIT_COORD,  # noqa: SLF001
        KafkaError._AUTHENTICATION,  # noqa: SLF001
        KafkaError._SSL,  # noqa: SLF001
        KafkaError.REQUEST_TIMED_OUT,
        KafkaError.NETWORK_EXCEPTION,
        KafkaError.BROKER_NOT_AVAILABLE,
        KafkaError.LEADER_NOT_AVAILABLE,
        KafkaError.NOT_LEADER_FOR_PARTITION,
        # A new leader whom not everyone has heard of yet: with a topic just made as well.
        KafkaError.FENCED_LEADER_EPOCH,
        KafkaError.UNKNOWN_LEADER_EPOCH,
        KafkaError.OFFSET_NOT_AVAILABLE,
    }
)
_MISSING = frozenset(
    {
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError.UNKNOWN_TOPIC_OR_PART,
        KafkaError.UNKNOWN_TOPIC_ID,
        KafkaError.INCONSISTENT_TOPIC_ID,
    }
)
_OUT_OF_RANGE = frozenset(
    {
        KafkaError._AUTO_OFFSET_RESET,  # noqa: SLF001  # what `auto.offset.reset=error` answers
        KafkaError._LOG_TRUNCATION,  # noqa: SLF001
        KafkaError.OFFSET_OUT_OF_RANGE,
    }
)
_REFUSED = frozenset(
    {
        # Local, before anything was sent.
        KafkaError._UNKNOWN_TOPIC,  # noqa: SLF001
        KafkaError._UNKNOWN_PARTITION,  # noqa: SLF001
        KafkaError._INVALID_ARG,  # noqa: SLF001
        # The broker looked at the batch and wrote none of it. librdkafka counts these as not persisted, too.
        KafkaError.MSG_SIZE_TOO_LARGE,
        KafkaError.RECORD_LIST_TOO_LARGE,
        KafkaError.INVALID_RECORD,
        KafkaError.INVALID_TIMESTAMP,
        KafkaError.INVALID_REQUIRED_ACKS,
        KafkaError.TOPIC_EXCEPTION,
        KafkaError.POLICY_VIOLATION,
        KafkaError.UNSUPPORTED_FOR_MESSAGE_FORMAT,
        KafkaError.UNSUPPORTED_COMPRESSION_TYPE,
        KafkaError.TOPIC_AUTHORIZATION_FAILED,
        KafkaError.CLUSTER_AUTHORIZATION_FAILED,
    }
)


def event_kind(error: KafkaError) -> EventKind:
    """What a reader's error is to its role."""
    code = error.code()
    if error.fatal() or code == KafkaError._FATAL:  # noqa: SLF001
        return EventKind.FATAL
    if code in _OUT_OF_RANGE:
        return EventKind.OFFSET_OUT_OF_RANGE
    if code in _MISSING:
        return EventKind.TOPIC_MISSING
    return EventKind.UNAVAILABLE if code in _AWAY else EventKind.OTHER


def outcome_kind(error: KafkaError, partition: int | None) -> OutcomeKind:
    """What a delivery error says about the log: `failed` only where the record certainly is not in it.

    | error | outcome | why |
    |---|---|---|
    | any, and no partition was chosen yet | failed | it never left the queue of records without one |
    | refusals (too large, not authorized, no such topic, ...) | failed | nothing was written |
    | _MSG_TIMED_OUT, _PURGE_INFLIGHT, _TRANSPORT, REQUEST_TIMED_OUT | unknown | it may have been sent |
    | _PURGE_QUEUE | unknown | a record that waits for its *retry* is purged with the same code |
    | NOT_ENOUGH_REPLICAS_AFTER_APPEND | unknown | the leader has it |
    | all others, _FATAL among them | unknown | nothing proves that it is absent |

    The binding does not hand out rd_kafka_message_status(), so code and partition are all there is.
    """
    if partition is None or partition < 0:
        return OutcomeKind.FAILED
    return OutcomeKind.FAILED if error.code() in _REFUSED else OutcomeKind.UNKNOWN


def raised(error: KafkaError, doing: str) -> SynclineError:
    """The exception for a call that failed: what was tried, what the client said, what to do."""
    code, text = error.code(), error.str() or error.name()
    if code in _MISSING:
        return TopicMissing(
            f"{doing}: there is no such topic or partition ({text}); `syncline apply` makes topics"
        )
    if code in _AWAY:
        return LogUnavailable(
            f"{doing}: no broker answered in time ({text}); check the address and the brokers"
        )
    return LogError(f"{doing}: {text} ({error.name()})")


def refused_settings(error: KafkaError) -> SettingsError:
    """The exception for properties that librdkafka refuses."""
    return SettingsError(
        f"librdkafka refuses the client's settings: {error.str()}; correct or remove the property"
    )
