"""How a rebuild lets others go first, with the server's part of its work too.

A worker lowers its own priority; but nearly half of what it does is done by the server processes behind its connections, and readers
would wait for those on a busy machine.
"""

from __future__ import annotations

import os
import socket
import struct
import sys
from pathlib import Path

from projections.reading import Connection


def own() -> int:
    """Our niceness: 0 as usual, up to 19 for who lets all others go first."""
    return os.getpriority(os.PRIO_PROCESS, 0)


def lower(connection: Connection, niceness: int) -> bool:
    """Make the server process behind it as nice as that, if it is on this machine and we may; for good.

    False: it goes on as it was, as behind every connection by network.
    """
    backend = connection.info.backend_pid
    if not _works_for(backend, _listener(connection.fileno())) or niceness <= os.getpriority(os.PRIO_PROCESS, backend):
        return False
    try:
        os.setpriority(os.PRIO_PROCESS, backend, niceness)
    except PermissionError:  # another user's
        return False
    return True


def _listener(descriptor: int) -> int:
    """The process that listens where this is connected to, by our numbering; 0: none that we know."""
    if sys.platform != "linux":  # how a process is known for certain is a matter of the system
        return 0
    with socket.socket(fileno=os.dup(descriptor)) as ours:
        if ours.family is not socket.AF_UNIX:
            return 0
        pid, _, _ = struct.unpack("3i", ours.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i")))
        return int(pid)


def _works_for(backend: int, listener: int) -> bool:
    """Whether that is a child of the other: a number from another container's numbering would be any process here."""
    try:
        told = Path(f"/proc/{backend}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return False
    return listener > 0 and int(told.rpartition(")")[2].split()[1]) == listener
