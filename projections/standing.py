"""Where every read model stands, in one statement: for health, metrics, administrators and the command line."""

from __future__ import annotations

# `watched`: somebody looks at the log's head for it.  A lag alone would not tell: it is 0 while nothing is written.
PROJECTIONS = """
    WITH log AS (SELECT coalesce(max(position), 0) AS head FROM log.events)
    SELECT c.name, c.generation, g.version, c.position, c.seen,
        CASE WHEN m.paused THEN 'paused'
             WHEN NOT watch.watched THEN 'degraded'
             WHEN EXISTS (SELECT FROM projections.parked_events p WHERE p.model = c.name AND p.generation = c.generation) THEN 'degraded'
             WHEN m.last_error IS NOT NULL THEN 'degraded'
             WHEN EXISTS (SELECT FROM projections.jobs j WHERE j.model = c.name AND j.status IN ('queued', 'running', 'cancelling'))
                 THEN 'rebuilding'
             ELSE 'live' END AS status,
        greatest(log.head - c.position, 0) AS lag_events,
        coalesce(greatest(extract(epoch FROM clock_timestamp() - e.recorded_at), 0), 0)::float8 AS lag_seconds,
        CASE WHEN m.beat_at > now() - interval '5 seconds' THEN m.rate ELSE 0 END::float8 AS rate,
        m.leader, coalesce(m.beat_at > now() - interval '5 seconds', false) AS led, watch.watched,
        extract(epoch FROM watch.silence)::float8 AS silent_seconds,
        coalesce(CASE WHEN NOT watch.watched THEN 'no projector has followed the log for it since ' || watch.since END,
            m.last_error, (SELECT p.error FROM projections.parked_events p
            WHERE p.model = c.name AND p.generation = c.generation AND p.error IS NOT NULL ORDER BY p.position LIMIT 1)) AS last_error,
        (SELECT count(*) FROM projections.parked_events p WHERE p.model = c.name AND p.generation = c.generation) AS parked,
        (SELECT max(k.generation) FROM projections.generations k WHERE k.model = c.name AND k.status = 'retired') AS kept_generation
    FROM projections.models m CROSS JOIN log
    JOIN projections.checkpoints c ON c.name = m.model
    JOIN projections.generations g ON g.model = c.name AND g.generation = c.generation
    CROSS JOIN LATERAL (SELECT coalesce(m.beat_at, g.created_at) AS since) heard
    CROSS JOIN LATERAL (SELECT heard.since, clock_timestamp() - heard.since AS silence,
        heard.since > clock_timestamp() - interval '10 seconds' AS watched) watch
    LEFT JOIN log.events e ON e.position = c.position + 1
    ORDER BY c.name
"""
