"""`make run`: one data folder, one address, one supervisor."""

import asyncio
import errno
import fcntl
import logging
import os
import signal
import socket
import time
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from pathlib import Path

from infrastructure.console import OWN_NAME, Console
from infrastructure.embedded import OWNER, EmbeddedPostgres, EmbeddedRedis, EmbeddedServerFailed
from infrastructure.embedded_files import own_folder
from infrastructure.first_start import password_to_show, with_secrets, write_private
from infrastructure.parts import Part, answers_ok, own_parts, postgres_part, redis_part
from infrastructure.settings import RUN_FILE, SECRETS_FILE, Settings
from infrastructure.supervisor import StartFailed, Supervisor

LOCK_FILE = "lock"
WHOLE_SECONDS = 60.0  # from all parts healthy to /health 200
IMPATIENCE_SECONDS = 1.0
STOP_SIGNALS = (signal.SIGTERM, signal.SIGINT, signal.SIGHUP)

log = logging.getLogger(__name__)


class AlreadyRunning(Exception):
    """The data folder is in use by another supervisor."""


class AddressTaken(Exception):
    """HOST:PORT cannot be listened on."""


def run(settings: Settings) -> None:
    """Run everything until a signal comes.  Errors: AlreadyRunning, AddressTaken, StartFailed, EmbeddedServerFailed."""
    folder = settings.trialog_data_dir
    os.umask(0o077)  # nothing that we or our parts write is for other users of the machine
    try:
        own_folder(folder, None)
        (folder / "logs").mkdir(exist_ok=True)
    except OSError as error:
        raise EmbeddedServerFailed(f"TRIALOG_DATA_DIR: {folder} cannot be used: {error.strerror}") from None
    with locked(folder, f"process {os.getpid()}, serving {settings.host}:{settings.port}"):
        check_free(settings.host, settings.port, "PORT")
        if settings.metrics_port:
            check_free(settings.host, settings.metrics_port, "METRICS_PORT")
        console = Console(folder / "logs" / "trialog.log")
        logging.basicConfig(level=logging.INFO, handlers=[console], format="%(message)s", force=True)
        try:
            asyncio.run(_run(settings, console))
        finally:
            console.flush()


@contextmanager
def locked(folder: Path, owner: str) -> Iterator[None]:
    """Hold the folder for this process alone; the kernel gives it back however we end.  Errors: AlreadyRunning."""
    with (folder / LOCK_FILE).open("a+") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            file.seek(0)
            raise AlreadyRunning(f"Trialog already runs on {folder} ({file.read().strip()}); stop it, or set TRIALOG_DATA_DIR") from None
        file.truncate(0)
        file.write(owner)
        file.flush()
        yield


def check_free(host: str, port: int, name: str) -> None:
    """Errors: AddressTaken."""
    try:
        addresses = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
    except OSError as error:
        raise AddressTaken(f"HOST: {host} is no address of this machine: {error.strerror}") from None
    for family, kind, protocol, _, address in addresses:
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # connections of an earlier run may still be closing
            try:
                probe.bind(address)
                probe.listen(1)
            except OSError as error:
                reason = "is taken by another process" if error.errno == errno.EADDRINUSE else f"cannot be used: {error.strerror}"
                raise AddressTaken(f"{name}: {host}:{port} {reason}; set {name} to another one") from None


def declared(settings: Settings) -> tuple[Settings, list[Part]]:
    """The servers to embed and our own parts; and the settings with the servers' addresses."""
    folder = settings.trialog_data_dir
    servers: list[Part] = []
    found: dict[str, str] = {}
    if settings.database_url is None:
        postgres = EmbeddedPostgres(folder / "postgres")
        servers.append(postgres_part(postgres))
        found |= {"database_url": postgres.url(), "migration_database_url": postgres.url(OWNER), "query_database_url": postgres.url()}
    if settings.redis_url is None:
        redis = EmbeddedRedis(folder / "redis")
        servers.append(redis_part(redis))
        found["redis_url"] = redis.url
    if found:
        write_private(folder / RUN_FILE, "".join(f"{name.upper()}='{value}'\n" for name, value in found.items()))
    complete = settings.model_copy(update=found)
    return complete, [*servers, *own_parts(complete, tuple(part.name for part in servers))]


async def _run(settings: Settings, console: Console) -> None:
    """Start, greet, and go on until a signal comes or something fails for good; then stop everything."""
    started_at = time.monotonic()
    stopping = asyncio.Event()
    complete, parts = declared(with_secrets(settings))
    supervisor = Supervisor(parts, console)

    asked_at: list[float] = []

    def on_signal(number: signal.Signals) -> None:
        # make passes a SIGTERM on that we may have got ourselves: only a second Ctrl-C, by a person who waited, means "at once".
        if number == signal.SIGINT and asked_at and time.monotonic() - asked_at[0] > IMPATIENCE_SECONDS:
            supervisor.kill()
        asked_at.append(time.monotonic())
        stopping.set()

    for number in STOP_SIGNALS:
        if number != signal.SIGHUP or signal.getsignal(number) != signal.SIG_IGN:  # nohup keeps us through a hang-up
            asyncio.get_running_loop().add_signal_handler(number, on_signal, number)
    asked = asyncio.create_task(stopping.wait())
    try:
        if await _first(_started(supervisor, complete), asked):
            log.info("ready in %.1f seconds", time.monotonic() - started_at)
            _greet(complete, console, is_made_up=settings.first_superuser_password is None)
            await _first(supervisor.failure(), asked)
    finally:
        stopping.set()
        log.info("stopping")
        await supervisor.stop()
        (complete.trialog_data_dir / RUN_FILE).unlink(missing_ok=True)
        log.info("stopped")


async def _first(work: Coroutine[None, None, None], asked: asyncio.Task[bool]) -> bool:
    """Do the work until it is done (true) or we are asked to stop.  Its errors are raised."""
    task = asyncio.create_task(work)
    await asyncio.wait({task, asked}, return_when=asyncio.FIRST_COMPLETED)
    if task.done():
        task.result()
        return not asked.done()
    task.cancel()
    return False


async def _started(supervisor: Supervisor, settings: Settings) -> None:
    """Return when every part is healthy and the whole says so.  Errors: StartFailed."""
    await supervisor.start()
    deadline = time.monotonic() + WHOLE_SECONDS
    while not await answers_ok(settings, "/health"):
        if time.monotonic() > deadline:
            raise StartFailed(f"all parts run, but {settings.base_url}/health does not say so after {WHOLE_SECONDS:.0f} seconds")
        await asyncio.sleep(0.05)


def _greet(settings: Settings, console: Console, *, is_made_up: bool) -> None:
    """Where to click; and the made-up password, once in the life of a data folder, and never in the log file."""
    for name, path in (("API", "/api/v1"), ("documents", "/docs"), ("health", "/health")):
        log.info("%-10s %s%s", name, settings.base_url, path)
    if is_made_up and (password := password_to_show(settings)) is not None:
        log.info("%-10s %s", "superuser", settings.first_superuser_email)
        console.line(OWN_NAME, f"{'password':<10} {password}   (shown once; kept in {SECRETS_FILE})", is_secret=True)
