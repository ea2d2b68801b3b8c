"""What is going on while versions change: commands are typed, flights flow, and a model reads both replicas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from syncline.catalog_client import CatalogClient
from syncline.demo.inputs import BUNDLE
from syncline.demo.processes import run_command
from syncline.wire.topics import Topics

if TYPE_CHECKING:
    from syncline.catalog.coordination import Ruling
    from syncline.clock import Clock
    from syncline.demo.cluster import Cluster
    from syncline.demo.fleet import Fleet
    from syncline.demo.flow import Flow
    from syncline.demo.screen import Screen
    from syncline.demo.watch import Expected, InputWatch
    from syncline.telemetry.cut_reports import CutReached

_WAIT_S = 120.0
_INPUTS = 200
"""How many inputs of a release each replica hands out before the next change: a second's worth."""
_CATALOG_S = 10.0


@dataclass(frozen=True, slots=True)
class Scene:
    """What is going on while versions change."""

    cluster: Cluster
    screen: Screen
    clock: Clock
    fleet: Fleet
    flow: Flow
    watches: Mapping[str, InputWatch]
    """Agent → what reads its store all the time."""
    expected: dict[str, Expected]
    """Release → what its inputs look like; shared with the watches."""
    require_running: Callable[[], None]
    """Raises if a process has ended by itself."""

    def wait_for_inputs(self, release: int) -> None:
        """Until every replica has handed out enough inputs of the release."""
        wanted = f"{BUNDLE}@{release}"
        before = {agent: watch.seen.inputs[wanted] for agent, watch in self.watches.items()}

        def enough() -> bool:
            return all(
                watch.seen.releases[-1:] == [wanted] and watch.seen.inputs[wanted] >= before[agent] + _INPUTS
                for agent, watch in self.watches.items()
            )

        def watch_all() -> None:
            self.require_running()
            self.flow.require_flowing()

        self.fleet.wait(
            lambda _: enough(), timeout_s=_WAIT_S, watch=watch_all, waiting_for=f"inputs of {wanted}"
        )

    def last_ruling(self) -> Ruling:
        """What was decided last about the bundle, as the catalog has it."""
        catalog = CatalogClient(
            self.cluster.log,
            Topics(self.cluster.settings.prefix).catalog,
            clock=self.clock,
            client_id="syncline-demo-cuts",
        )
        try:
            return catalog.catch_up(_CATALOG_S).coordination.rulings[BUNDLE][-1]
        finally:
            catalog.close()

    def reports_of(self, cut: int | None) -> list[CutReached]:
        """What every agent said of the cut."""
        wanted = [(cut, agent) for agent in self.watches]
        reached = self.fleet.reached
        self.fleet.wait(
            lambda _: all(place in reached for place in wanted),
            timeout_s=_WAIT_S,
            watch=self.require_running,
            waiting_for=f"a report of cut {cut} from each agent",
        )
        return [report for (at, agent), report in sorted(reached.items()) if (at, agent) in wanted]

    def command(self, *arguments: str) -> None:
        """Run it as an operator would, and show what it printed."""
        typed = [
            f'"{one}"' if " " in one else one for one in arguments if not one.startswith(("--yes", "--wait"))
        ]
        self.screen.say(f"$ syncline {' '.join(typed)}")
        self.show(run_command(self.cluster.settings, *arguments))

    def show(self, printed: str) -> None:
        """Every line that a command printed."""
        for line in printed.splitlines():
            self.screen.quote(line)
