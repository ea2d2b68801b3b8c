"""What the agent says of itself: in its logs, and in its store for readers who never ask it."""

from __future__ import annotations

from syncline.agent.states import AgentState
from syncline.catalog.serving import META_AGENT, AgentCondition
from syncline.clock import Clock
from syncline.errors import StoreFull
from syncline.ports.store import Store
from syncline.telemetry.agent_events import AgentEvents


class Standing:
    """The agent's state with its reason, and whether its store's values are those of the log."""

    def __init__(self, agent: str, *, store: Store, clock: Clock, events: AgentEvents) -> None:
        self._agent = agent
        self._store = store
        self._clock = clock
        self._events = events
        self.state = AgentState.STARTING
        self.reason = "the catalog is not folded yet"
        self.trimmed = False
        """The beginning of a partition was gone before it was read: the values cannot be proven, ever."""
        with store.snapshot() as snapshot:
            packed = snapshot.meta(META_AGENT)
        before = AgentCondition.unpack(packed) if packed is not None else None
        self._caught_up = before is not None and before.ready
        self.refuses = before.refuses if before is not None else ""
        """Why readers are refused whatever they say; empty when they are not. It lasts until the catalog is folded."""

    def become(self, state: AgentState, reason: str) -> None:
        """Go to a state, and say so."""
        if (state, reason) == (self.state, self.reason):
            return
        if state is not self.state or reason:
            # A new reason alone is told, too: an agent that never gets past STARTING would else say nothing.
            self._events.state_changed(self.state, state, reason)
        self.state, self.reason = state, reason
        self.save()

    @property
    def caught_up(self) -> bool:
        """Whether this store has been LIVE, and nothing has happened since that it would have to catch up with."""
        return self._caught_up

    def must_catch_up(self) -> None:
        """Topics are served that were never read: not ready until the next time the agent is LIVE."""
        self._caught_up = False

    def condition(self) -> AgentCondition:
        """As the store keeps it. Once LIVE, a store stays ready over restarts: ages tell how old its values are."""
        return AgentCondition(
            agent=self._agent,
            state=str(self.state),
            reason=self.reason,
            ready=self._caught_up and not self.trimmed and not self.refuses,
            reported_at_us=self._clock.now_us(),
            refuses=self.refuses,
        )

    def save(self) -> None:
        """Leave the condition in the store, if there is room."""
        if self.state is AgentState.LIVE:
            self._caught_up = True
        try:
            self._store.commit([], {META_AGENT: self.condition().pack()})
        except StoreFull as error:
            # What it says of itself can wait for room; readers see by its age that it does.
            self._events.store_full(str(error))
