"""Apicurio Registry, from its own distribution, behind its Confluent-compatible API."""

from __future__ import annotations

import http.client
import json
import tarfile
from typing import TYPE_CHECKING

from tests.stack.cache import filled
from tests.stack.maven import run_maven
from tests.stack.ports import LOOPBACK, free_port
from tests.stack.server import Server

if TYPE_CHECKING:
    from pathlib import Path

APICURIO_VERSION = "3.0.9"
CONFLUENT_API = "/apis/ccompat/v7"


def apicurio_folder() -> Path:
    """The folder with the unpacked distribution, fetched once."""
    return filled(f"apicurio-{APICURIO_VERSION}", _fetch)


class Apicurio:
    """One registry on the loopback address, with its schemas in a file database in `folder`.

    `start` after `stop` or `kill` comes back on the same port with the same schemas.
    """

    def __init__(self, folder: Path) -> None:
        self.port = free_port()
        self.registry_url = f"http://{LOOPBACK}:{self.port}{CONFLUENT_API}"
        folder.mkdir(parents=True, exist_ok=True)
        jar = apicurio_folder() / f"apicurio-registry-app-{APICURIO_VERSION}-runner.jar"
        self.server = Server(
            f"Apicurio {APICURIO_VERSION}",
            # The quick compiler is enough for a registry, and starts it in half the time.
            ["java", "-Xmx256m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-jar", str(jar)],
            log=folder / "apicurio.log",
            is_healthy=self._answers,
            environment={
                "QUARKUS_HTTP_HOST": LOOPBACK,
                "QUARKUS_HTTP_PORT": str(self.port),
                # Its database writes behind: a kill may lose the last half second, a stop loses nothing.
                "APICURIO_DATASOURCE_URL": f"jdbc:h2:file:{folder / 'schemas'}",
            },
        )

    def start(self, *, timeout_s: float = 120.0) -> None:
        """Start it and return once it answers."""
        self.server.start(timeout_s=timeout_s)

    def stop(self) -> None:
        """End it in order. Idempotent."""
        self.server.stop()

    def kill(self) -> None:
        """End it as a crash would. Idempotent."""
        self.server.kill()

    def pause(self) -> None:
        """Freeze it: connections stay open and nothing answers."""
        self.server.pause()

    def resume(self) -> None:
        """Undo `pause`."""
        self.server.resume()

    def _answers(self) -> bool:
        return answers_registry(self.port, CONFLUENT_API)


def answers_registry(port: int, path: str) -> bool:
    """Whether a registry lists its subjects there.

    Raises:
        OSError: nothing answers.
    """
    connection = http.client.HTTPConnection(LOOPBACK, port, timeout=2.0)
    try:
        connection.request("GET", f"{path}/subjects")
        answer = connection.getresponse()
        return answer.status == http.HTTPStatus.OK and isinstance(json.load(answer), list)
    except (http.client.HTTPException, ValueError):
        return False
    finally:
        connection.close()


def _fetch(folder: Path) -> None:
    coordinates = f"io.apicurio:apicurio-registry-app:{APICURIO_VERSION}:tar.gz:all"
    run_maven("dependency:copy", f"-Dartifact={coordinates}", f"-DoutputDirectory={folder}", folder=folder)
    archive = folder / f"apicurio-registry-app-{APICURIO_VERSION}-all.tar.gz"
    with tarfile.open(archive) as tar:
        tar.extractall(folder, filter="data")
    archive.unlink()
