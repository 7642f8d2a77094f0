"""Running PostgreSQL as somebody else: it refuses to run as root, and somebody else must be able to reach its files.

As root the server runs as `nobody`.  Its data may lie below folders that `nobody` may not enter (`mktemp -d`, `/root`): each such
folder gets one access-control entry, for that one user, to pass through and nothing more; what was granted is logged.
"""

import logging
import os
import pwd
import stat
import struct
import sys
from pathlib import Path

from infrastructure.processes import Account

ACL = "system.posix_acl_access"
ACL_VERSION = 2
USER_OWNER, USER, GROUP_OWNER, GROUP, MASK, OTHER = 0x01, 0x02, 0x04, 0x08, 0x10, 0x20  # tags of linux/posix_acl.h
NO_ID = 0xFFFFFFFF
READ_SEARCH, SEARCH = 5, 1
UNPRIVILEGED = "nobody"

log = logging.getLogger(__name__)


def server_account() -> Account | None:
    """Who runs the server: `nobody` when we are root, else ourselves (None)."""
    if os.geteuid() != 0:
        return None
    entry = pwd.getpwnam(UNPRIVILEGED)
    return Account(entry.pw_name, entry.pw_uid, entry.pw_gid)


def let_through(folder: Path, account: Account) -> None:
    """Make sure that the account may pass through the folder and all above it."""
    for place in reversed([folder, *folder.parents]):
        if may_search(place, account):
            continue
        if _grant_search(place, account):
            log.warning("%s may now pass through %s (access-control entry u:%s:--x)", account.name, place, account.name)
        else:
            place.chmod(stat.S_IMODE(place.stat().st_mode) | stat.S_IXOTH)
            log.warning("everybody may now pass through %s (chmod o+x: the file system has no access-control lists)", place)


def may_search(folder: Path, account: Account) -> bool:
    """Whether the kernel would let the account pass through the folder."""
    facts = folder.stat()
    mode = stat.S_IMODE(facts.st_mode)
    if facts.st_uid == account.uid:
        return bool(mode & stat.S_IXUSR)
    entries = _entries(folder)
    if entries is None:
        return bool(mode & (stat.S_IXGRP if facts.st_gid == account.gid else stat.S_IXOTH))
    mask = next((permissions for tag, permissions, _ in entries if tag == MASK), 7)
    named = [permissions for tag, permissions, owner in entries if tag == USER and owner == account.uid]
    if named:
        return bool(named[0] & mask & SEARCH)
    groups = [
        permissions
        for tag, permissions, owner in entries
        if (tag == GROUP_OWNER and facts.st_gid == account.gid) or (tag == GROUP and owner == account.gid)
    ]
    return any(permissions & mask & SEARCH for permissions in groups) if groups else bool(mode & stat.S_IXOTH)


def _entries(folder: Path) -> list[tuple[int, int, int]] | None:
    """(tag, permissions, id) of the folder's access-control list; None when it has none."""
    if sys.platform != "linux":
        return None
    try:
        raw = os.getxattr(folder, ACL)
    except OSError:
        return None  # ENODATA: plain mode bits; ENOTSUP: a file system without lists; the mode says all in both cases
    return list(struct.iter_unpack("<HHI", raw[4:]))


def _grant_search(folder: Path, account: Account) -> bool:
    """Add `u:<account>:--x` to what the folder allows; answers whether the file system can."""
    if sys.platform != "linux":
        return False
    mode = stat.S_IMODE(folder.stat().st_mode)
    entries = _entries(folder) or [
        (USER_OWNER, mode >> 6 & 7, NO_ID),
        (GROUP_OWNER, mode >> 3 & 7, NO_ID),
        (OTHER, mode & 7, NO_ID),
    ]
    kept = [entry for entry in entries if entry[0] != MASK and not (entry[0] == USER and entry[2] == account.uid)]
    kept.append((USER, SEARCH, account.uid))
    reach = 0
    for tag, permissions, _ in kept:
        reach |= permissions if tag in {USER, GROUP_OWNER, GROUP} else 0
    kept.append((MASK, reach, NO_ID))
    packed = struct.pack("<I", ACL_VERSION) + b"".join(struct.pack("<HHI", *entry) for entry in sorted(kept, key=lambda e: (e[0], e[2])))
    try:
        os.setxattr(folder, ACL, packed)
    except OSError as error:
        log.info("no access-control entry on %s: %s", folder, error.strerror)
        return False
    return True
