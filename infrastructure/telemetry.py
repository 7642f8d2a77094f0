"""What is measured, and under which names: every metric of the system stands on this page."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterable, Mapping, MutableMapping
from typing import Any

import structlog
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.platform_collector import PlatformCollector
from prometheus_client.process_collector import ProcessCollector

LATENCY_SECONDS = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0)
BATCH_SIZES = (1, 2, 4, 8, 16, 32, 64, 128, 256)


class Metrics:
    """Counters of one process, in Prometheus' text form."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        PlatformCollector(registry=registry)
        self._requests = Counter("trialog_http_requests", "Requests answered", ["method", "route", "status"], registry=registry)
        self._latency = Histogram(
            "trialog_http_request_seconds", "Time to answer", ["method", "route"], buckets=LATENCY_SECONDS, registry=registry
        )
        self._commands = Counter("trialog_commands", "Commands by what came of them", ["command", "outcome"], registry=registry)
        self._batch_appends = Histogram("trialog_append_batch_appends", "Appends written together", buckets=BATCH_SIZES, registry=registry)
        self._batch_events = Counter("trialog_append_events", "Events appended", registry=registry)
        self._batch_seconds = Histogram("trialog_append_batch_seconds", "Time to write a batch", buckets=LATENCY_SECONDS, registry=registry)
        self.append_waiting = Gauge("trialog_append_waiting", "Appends in the queue", registry=registry)
        self.log_head = Gauge("trialog_log_head_position", "The log's last position", registry=registry)
        self.lag_events = Gauge("trialog_projection_lag_events", "Events a read model is behind the log", ["projection"], registry=registry)
        self.lag_seconds = Gauge(
            "trialog_projection_lag_seconds", "Age of the oldest event not yet projected", ["projection"], registry=registry
        )
        self.projection_position = Gauge(
            "trialog_projection_position", "Position a read model has reached", ["projection"], registry=registry
        )
        self.standby_behind = Gauge("trialog_standby_behind_seconds", "How far a standby may be behind the primary", registry=registry)
        self._queries = Counter("trialog_queries", "Reading statements by the server they went to", ["server"], registry=registry)
        of_model, of_job = _gauges(registry, "projection"), _gauges(registry, "projection", "kind")
        self.seen_events = of_model(
            "trialog_projection_seen_events", "Events counted one by one: as many as the position, or something was skipped"
        )
        self.parked_events = of_model("trialog_projection_parked_events", "Events set aside, and those that queue behind them")
        self.silent_seconds = of_model(
            "trialog_projection_silent_seconds", "Since a projector was last seen to follow the log for a read model"
        )
        self.is_watched = of_model("trialog_projection_watched", "1 while a projector follows the log for it, 0 after ten seconds without")
        self.rebuild_done = of_job("trialog_rebuild_events_done", "Events that an open rebuild or rollback has dealt with")
        self.rebuild_total = of_job("trialog_rebuild_events_total", "Events that it has to deal with")
        self.rebuild_rate = of_job("trialog_rebuild_events_per_second", "How fast it is")
        self.rebuild_eta = of_job("trialog_rebuild_eta_seconds", "Until it is done; absent while nobody can tell")
        self.rebuild_phase = Gauge(
            "trialog_rebuild_phase", "1 for the phase that it is in", ["projection", "kind", "phase"], registry=registry
        )
        self.reactions = ReactionGauges(registry)
        self._children: dict[tuple[str, str, int], Callable[[float], None]] = {}

    def request(self, method: str, route: str, status: int, seconds: float) -> None:
        """Count one answer."""
        mark = (method, route, status)
        observe = self._children.get(mark)
        if observe is None:
            observe = self._children[mark] = self._observer(*mark)
        observe(seconds)

    def _observer(self, method: str, route: str, status: int) -> Callable[[float], None]:
        counter = self._requests.labels(method, route, str(status))
        latency = self._latency.labels(method, route)

        def observe(seconds: float) -> None:
            counter.inc()
            latency.observe(seconds)

        return observe

    def command(self, name: str, outcome: str, seconds: float) -> None:
        """Count one command by its outcome: stored, unchanged, replayed, or the code of a refusal."""
        self._commands.labels(name, outcome).inc()

    def query(self, server: str) -> None:
        """Count one reading statement: primary or standby."""
        self._queries.labels(server).inc()

    def batch(self, appends: int, events: int, seconds: float) -> None:
        """Count one batch of the appender."""
        self._batch_appends.observe(appends)
        self._batch_events.inc(events)
        self._batch_seconds.observe(seconds)

    def watched(self, projections: Iterable[Mapping[str, Any]], rebuilds: Iterable[Mapping[str, Any]]) -> None:
        """Where the read models stand, and the open jobs on them, as administrators see both.  A job that is done is told no more."""
        for row in projections:
            name = row["name"]
            self.projection_position.labels(name).set(row["position"])
            self.lag_events.labels(name).set(row["lag_events"])
            self.lag_seconds.labels(name).set(row["lag_seconds"])
            self.seen_events.labels(name).set(row["seen"])
            self.parked_events.labels(name).set(row["parked"])
            self.silent_seconds.labels(name).set(row["silent_seconds"])
            self.is_watched.labels(name).set(row["watched"])
        for gauge in (self.rebuild_done, self.rebuild_total, self.rebuild_rate, self.rebuild_eta, self.rebuild_phase):
            gauge.clear()
        for job in rebuilds:
            which = (job["projection"], job["kind"])
            self.rebuild_done.labels(*which).set(job["events_done"])
            self.rebuild_total.labels(*which).set(job["events_total"])
            self.rebuild_rate.labels(*which).set(job["rate"])
            if job["eta_seconds"] is not None:
                self.rebuild_eta.labels(*which).set(job["eta_seconds"])
            self.rebuild_phase.labels(*which, job["phase"]).set(1)

    def unknown(self) -> None:
        """The database does not tell: better no figure of it, on which an alarm can be set, than one that was true once."""
        self.log_head.set(math.nan)
        of_models = (self.projection_position, self.lag_events, self.lag_seconds, self.seen_events, self.parked_events)
        of_jobs = (self.rebuild_done, self.rebuild_total, self.rebuild_rate, self.rebuild_eta, self.rebuild_phase)
        for gauge in (*of_models, self.silent_seconds, self.is_watched, *of_jobs):
            gauge.clear()
        self.reactions.unknown()

    def text(self) -> bytes:
        """Everything, for a scrape."""
        return generate_latest(self.registry)


class ReactionGauges:
    """What follows from events."""

    def __init__(self, registry: CollectorRegistry) -> None:
        self.waiting = _gauges(registry, "queue", "state")(
            "trialog_reactions_waiting", "Reactions that are due, running, or failed and wait for a person"
        )
        self.oldest = Gauge("trialog_reactions_oldest_seconds", "Age of the oldest that is due", ["queue"], registry=registry)
        self.outcomes = _gauges(registry, "reaction", "outcome")(
            "trialog_reaction_outcomes", "Reactions by what came of them since the beginning: done, retried, failed, skipped"
        )
        self.relay_lag = Gauge("trialog_relay_lag_events", "Events not yet looked through for reactions", registry=registry)

    def unknown(self) -> None:
        """As `Metrics.unknown`."""
        self.relay_lag.set(math.nan)
        for gauge in (self.waiting, self.oldest, self.outcomes):
            gauge.clear()

    def set(self, figures: Mapping[str, Any]) -> None:
        """All of them, as `infrastructure.reaction_figures` tells it."""
        self.relay_lag.set(figures["relay"]["lag_events"])
        self.waiting.clear()  # a queue that is empty is told no more
        self.oldest.clear()
        for queue in figures["queues"]:
            for state in ("due", "running", "failed"):
                self.waiting.labels(queue["queue"], state).set(queue[state])
            self.oldest.labels(queue["queue"]).set(queue["oldest_seconds"])
        for row in figures["outcomes"]:
            self.outcomes.labels(row["reaction"], row["outcome"]).set(row["total"])


def _gauges(registry: CollectorRegistry, *labels: str) -> Callable[[str, str], Gauge]:
    """Makes gauges with these labels."""
    return lambda name, meaning: Gauge(name, meaning, labels, registry=registry)


def _printable(_logger: Any, _method: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    """What clients sent must not forge lines of a log, nor move a terminal's cursor."""
    for name, value in event.items():
        if isinstance(value, str) and not value.isprintable():
            event[name] = value.encode("unicode_escape").decode("ascii")
    return event


def configure_logging(level: str, form: str, *, for_good: bool = True) -> None:
    """One line an event: JSON for machines, colors for a console.  `for_good=False`: another configuration may follow, as in tests."""
    numeric = getattr(logging, level.upper())
    logging.basicConfig(level=numeric, format="%(levelname)s %(name)s %(message)s")
    renderer = structlog.processors.JSONRenderer() if form == "json" else structlog.dev.ConsoleRenderer(colors=False)
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _printable,
            structlog.processors.format_exc_info,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(numeric),
        cache_logger_on_first_use=for_good,
    )
