"""One stream of lines from many processes: each prefixed with its part's name, on the terminal and in a log file of bounded size.

Lines pass through a queue to a thread of their own.  A reader that does not read (a full pipe) then costs lines, never the supervisor's
attention: it must still hear signals and restart parts.
"""

import logging
import os
import queue
import threading
import time
from pathlib import Path
from typing import BinaryIO

QUEUE_LENGTH = 20_000  # lines
FILE_SIZE_BYTES = 10_000_000  # then the file becomes `.1`, and the `.1` before it goes
NAME_WIDTH = 9
COLORS = (36, 33, 32, 35, 34, 31)  # ANSI: cyan, yellow, green, magenta, blue, red
OWN_NAME = "trialog"


class Console(logging.Handler):
    """Where all parts write; also the supervisor's own logging handler."""

    def __init__(self, log_path: Path | None = None, *, descriptor: int = 1) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._is_colored = os.isatty(descriptor)
        self._log_path = log_path
        self._log_file: BinaryIO | None = log_path.open("ab") if log_path else None
        self._colors: dict[str, int] = {}
        self._lines: queue.Queue[tuple[str, bytes, bool]] = queue.Queue(QUEUE_LENGTH)
        self._dropped = 0
        threading.Thread(target=self._write_all, name="console", daemon=True).start()

    def line(self, name: str, text: str | bytes, *, is_secret: bool = False) -> None:
        """Queue one line; dropped when the reader is that far behind.  A secret one is not kept in the file."""
        try:
            self._lines.put_nowait((name, text.encode() if isinstance(text, str) else text, is_secret))
        except queue.Full:
            self._dropped += 1

    def emit(self, record: logging.LogRecord) -> None:
        for text in self.format(record).splitlines():
            self.line(OWN_NAME, text)

    def flush(self, patience_seconds: float = 1.0) -> None:
        """Wait until what was queued is written, but not for ever."""
        deadline = time.monotonic() + patience_seconds
        while self._lines.unfinished_tasks and time.monotonic() < deadline:
            time.sleep(0.005)

    def _write_all(self) -> None:
        while True:
            name, text, is_secret = self._lines.get()
            dropped, self._dropped = self._dropped, 0
            if dropped:
                self._write(OWN_NAME, f"({dropped} lines were dropped: nobody read them)".encode())
            self._write(name, text, is_secret=is_secret)
            self._lines.task_done()

    def _write(self, name: str, text: bytes, *, is_secret: bool = False) -> None:
        prefix = f"{name:<{NAME_WIDTH}} | "
        if not is_secret:
            self._write_file(prefix.encode() + text + b"\n")
        if self._is_colored:
            color = self._colors.setdefault(name, COLORS[len(self._colors) % len(COLORS)])
            prefix = f"\x1b[{color}m{prefix}\x1b[0m"
        rest = prefix.encode() + text + b"\n"
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError:
            self._descriptor = os.open(os.devnull, os.O_WRONLY)  # the reader has gone for good; the file goes on

    def _write_file(self, line: bytes) -> None:
        if self._log_file is None or self._log_path is None:
            return
        if self._log_file.tell() + len(line) > FILE_SIZE_BYTES:
            self._log_file.close()
            self._log_path.replace(self._log_path.with_name(self._log_path.name + ".1"))
            self._log_file = self._log_path.open("ab")
        self._log_file.write(line)
        self._log_file.flush()
