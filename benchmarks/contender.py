"""One round of one contender, in a process of its own: `python -m benchmarks.contender NAME ARGUMENTS_AS_JSON`."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

from benchmarks import agent_contenders, publish_contenders
from benchmarks.cluster import Place
from benchmarks.measurement import Measurement

CONTENDERS = {
    "agent": agent_contenders.agent,
    "bare_loop": agent_contenders.bare_loop,
    "publish_dicts": publish_contenders.from_dicts,
    "publish_arrow": publish_contenders.from_arrow,
    "serializer": publish_contenders.serializer,
}
_NEEDS_STORE = ("agent",)
_TIMEOUT_S = 300.0


def measure(name: str, place: Place, *, work: Path, **sizes: int) -> Measurement:
    """Run the contender's round and wait for its measurement.

    Raises:
        RuntimeError: it ended without one; the message carries what it said.
    """
    # Not in /tmp, which may be memory: a commit has to reach a disk.
    with tempfile.TemporaryDirectory(dir=work) as store:
        arguments: dict[str, object] = dict(sizes)
        if name in _NEEDS_STORE:
            arguments["store"] = store
        command = [sys.executable, "-m", "benchmarks.contender", name]
        command += [json.dumps(asdict(place)), json.dumps(arguments)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=_TIMEOUT_S, check=False)
    if done.returncode:
        raise RuntimeError(f"{name} ended with code {done.returncode}:\n{done.stderr[-4_000:]}")
    return Measurement.from_json(done.stdout.splitlines()[-1])


def main(name: str, place: str, arguments: str) -> None:
    """Measure, and print the result as the last line."""
    given = json.loads(arguments)
    if "store" in given:
        given["store"] = Path(given["store"])
    print(CONTENDERS[name](Place(**json.loads(place)), **given).to_json())


if __name__ == "__main__":
    main(*sys.argv[1:])
