"""The servers that a document names: records go to Kafka, as Avro, and nowhere else."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping

    from syncline.contracts.odcs.located import Findings


def check_servers(document: Mapping[str, Any], findings: Findings) -> None:
    """Note a document whose data stands elsewhere alone, or in another format; copies elsewhere may be named."""
    servers = document.get("servers")
    if not isinstance(servers, list) or not servers:
        return
    types = [server.get("type") if isinstance(server, dict) else None for server in servers]
    if "kafka" not in types:
        found = ", ".join(sorted({str(each)[:40] for each in types}))
        findings.add(
            ("servers",),
            "no-kafka-server",
            f"the data stands on {found}, and not on Kafka",
            "Add a server of type kafka, or remove `servers`: where the brokers are is said when Syncline starts",
        )
    for number, server in enumerate(servers):
        if (
            isinstance(server, dict)
            and server.get("type") == "kafka"
            and server.get("format", "avro") != "avro"
        ):
            findings.add(
                ("servers", number, "format"),
                "server-format",
                f"the records are Avro, not {server['format']!r:.40}",
                "Write `format: avro`",
            )
