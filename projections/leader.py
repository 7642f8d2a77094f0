"""Which process leads which read model: an advisory lock on the connection that writes, and a heartbeat.

The lock goes with the connection, so a killed leader loses it at once.  One that hangs keeps it: when its heart has been
silent for a while, whoever waits ends its connection.  What a leader still has under way then fails at the fence
(`projections.advance`).
"""

from __future__ import annotations

import time
from collections.abc import Sequence

import structlog

from projections.checkpoints import TAKE, State, Target, live_states, load_exceptions
from projections.decoding import Decoder
from projections.folding import Projection
from projections.reading import Connection
from projections.registry import Model

SILENCE_SECONDS = 3.0  # of a heart, before others end the connection of whoever it belongs to
ASIDE_SECONDS = 5.0  # before a model that another program should lead is tried again
KEEP_ROWS = 20_000  # of each table in memory, so that a row that changes again soon is not fetched again

TRY_LOCK = "SELECT name FROM unnest(%(names)s::text[]) AS name WHERE pg_try_advisory_lock(7426213, hashtext(name))"
UNLOCK = "SELECT pg_advisory_unlock(7426213, hashtext(%(name)s))"
END_SILENT = """
    SELECT m.model, m.leader, pg_terminate_backend(l.pid)
    FROM projections.models m
    JOIN pg_locks l ON l.locktype = 'advisory' AND l.granted AND l.classid = 7426213 AND l.objsubid = 2
     AND l.database = (SELECT oid FROM pg_database WHERE datname = current_database())
     AND l.objid::bigint = hashtext(m.model)::bigint & 4294967295
    WHERE m.model = ANY(%(names)s) AND m.beat_at < now() - %(silence)s * interval '1 second' AND l.pid <> pg_backend_pid()
"""
BEAT = """
    UPDATE projections.models m SET beat_at = now(), leader = %(leader)s, rate = led.rate,
        last_error = CASE WHEN m.model = ANY(%(failing)s) THEN m.last_error END
    FROM unnest(%(names)s::text[], %(rates)s::real[]) AS led (model, rate)
    WHERE m.model = led.model
"""

log = structlog.get_logger(__name__)


class Leadership:
    """The models that this process leads, for as long as its writing connection lives."""

    def __init__(self, name: str, models: Sequence[Model], decoder: Decoder) -> None:
        """`name`: of the process, for people."""
        self._name = name
        self._models = {m.name: m for m in models}
        self._decoder = decoder
        self._led: dict[str, Projection | None] = {}  # None: led, but not to be moved
        self._unfit: set[str] = set()  # led, but of a declaration that is not ours
        self._aside_until: dict[str, float] = {}

    @property
    def led(self) -> list[str]:
        return sorted(self._led)

    @property
    def projections(self) -> list[Projection]:
        """What is to be moved."""
        return [p for p in self._led.values() if p is not None]

    def wanted(self, *, ordered: bool) -> list[str]:
        """Models to try to lead.  `ordered`: something has just changed."""
        now = time.monotonic()
        return [n for n in self._models if n not in self._led and (ordered or self._aside_until.get(n, 0.0) <= now)]

    async def acquire(self, writing: Connection, aside: Connection, names: list[str]) -> None:
        """Try to lead these; call `load` next.  A lock is counted: one that is held must not be asked for again."""
        if not names:
            return
        await _end_silent(aside, names)
        rows = await (await writing.execute(TRY_LOCK, {"names": names})).fetchall()
        if won := [name for (name,) in rows]:
            await writing.execute(TAKE, {"names": won})
            self._led |= dict.fromkeys(won)
            log.info("projector.leading", models=won)

    async def load(self, connection: Connection) -> None:
        """Read where the led models stand; what is unchanged keeps its rows in memory."""
        states = await live_states(connection, list(self._led))
        for name, known in self._led.items():
            state = states.get(name)
            if state is None or state.paused:
                self._led[name] = None
            elif known is None or (known.state.epoch, known.state.position) != (state.epoch, state.position):
                self._led[name] = await self._projection(connection, self._models[name], state)

    async def let_go(self, writing: Connection) -> None:
        """The live generation may be of another program than this one: that one should lead it."""
        for name in self._unfit & self._led.keys():
            del self._led[name]
            self._aside_until[name] = time.monotonic() + ASIDE_SECONDS
            await writing.execute(UNLOCK, {"name": name})
        self._unfit.clear()

    async def beat(self, connection: Connection, rates: dict[str, float], failing: list[str]) -> None:
        """We live.  `rates`: events/s by model; those not `failing` have no error any more."""
        names = list(self._led)
        if names:
            facts = {"leader": self._name, "names": names, "rates": [rates.get(n, 0.0) for n in names], "failing": failing}
            await connection.execute(BEAT, facts)

    async def _projection(self, connection: Connection, model: Model, state: State) -> Projection | None:
        # A generation of our own version that was fed with more than we project would lose those facts under us.
        less = state.version == model.version and not set(state.topics) <= set(model.topics)
        if state.version > model.version or state.shape != model.shape or less:
            self._unfit.add(model.name)
            log.warning("projection.other_declaration", model=model.name, live_version=state.version, our_version=model.version)
            return None
        target = Target(model, generation=state.generation, live=True)
        await load_exceptions(connection, target, state)
        return Projection(target, state, self._decoder, keep_rows=KEEP_ROWS)


async def _end_silent(connection: Connection, names: list[str]) -> None:
    # As whom we logged in, which is as whom the silent one did: the application role may not end the owner's connections.
    await connection.execute("SET ROLE none")
    rows = await (await connection.execute(END_SILENT, {"names": names, "silence": SILENCE_SECONDS})).fetchall()
    await connection.execute("RESET ROLE")
    for name, leader, _ in rows:
        log.warning("projection.leader_silent", model=name, leader=leader)
