"""Reactions for tests, and a worker process that runs them: `python -m tests.workers.crew`.

Whenever a task is created, a mail tells its title to whoever the description names.
"""

from __future__ import annotations

from domain.aggregates.tasks import Task
from infrastructure.discovery import import_room
from infrastructure.settings import Settings
from workers import running
from workers.acting import Act
from workers.queues import Queue
from workers.registry import ROOMS, Recorded, Registry

for room in ROOMS[:3]:
    import_room(room)

crew = Registry()


@crew.reacts_to(Task.Created, queue=Queue.MAIL, max_retries=3)
async def tell(event: Recorded[Task.Created], act: Act) -> None:
    await act.mail("notification", to=event.data.description, title=event.data.title, body="Look at it.", user="you", kind="test")


def main() -> None:
    settings = Settings.load()
    running.run(settings, running.stop_on_signal(), crew)


if __name__ == "__main__":
    main()
