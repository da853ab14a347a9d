"""Runs a program as an ordinary user where the stack runs as root: Postgres refuses to run as root."""

import os
import pwd
import shutil
import stat
from collections.abc import Iterable
from pathlib import Path

from lakehouse.errors import LakehouseError

_USER = "nobody"
#: Not that of whoever calls: a program whose command changes is started anew.
_SYSTEM_PATH = "/usr/bin:/bin:/usr/local/bin"
#: Either lets the user pass a directory that only root may enter, such as /root. Containers often hold the second only.
_PASSAGES = {"dac_read_search": 2, "dac_override": 1}


class PrivilegeError(LakehouseError):
    """Root's privileges cannot be dropped on this machine."""


def is_root() -> bool:
    """Whether this process has privileges to drop."""
    return os.geteuid() == 0


def unprivileged(command: Iterable[str], paths: Iterable[Path]) -> tuple[str, ...]:
    """``command`` as an ordinary user runs it, who has to reach ``paths``; unchanged where this process is no root.

    Raises PrivilegeError where root cannot become that user, or where that user cannot reach a path.
    """
    if not is_root():
        return tuple(command)
    setpriv = shutil.which("setpriv", path=_SYSTEM_PATH)
    if setpriv is None:
        raise PrivilegeError(
            "Postgres refuses to run as root, and setpriv (package util-linux), which drops root's privileges, is not "
            "installed. Install it, or run as an ordinary user."
        )
    user = pwd.getpwnam(_USER)
    options = [f"--reuid={user.pw_uid}", f"--regid={user.pw_gid}", "--clear-groups", "--no-new-privs"]
    closed = _closed_directory(paths)
    if closed:
        passage = _passage(closed)
        # access(2) heeds a capability of a user other than root only with this bit.
        options += ["--securebits=+no_setuid_fixup", f"--inh-caps=-all,+{passage}", f"--ambient-caps=-all,+{passage}"]
    return (setpriv, *options, "--", *command)


def give(path: Path) -> None:
    """Makes ``path`` the ordinary user's, where this process is root."""
    if is_root():
        user = pwd.getpwnam(_USER)
        os.chown(path, user.pw_uid, user.pw_gid)


def _closed_directory(paths: Iterable[Path]) -> Path | None:
    """A directory on the way to ``paths`` that others than its owner may not enter."""
    ways = (parent for path in paths for parent in path.resolve().parents)
    return next((way for way in ways if way.exists() and not way.stat().st_mode & stat.S_IXOTH), None)


def _passage(closed: Path) -> str:
    """The capability that gets an ordinary user past ``closed``."""
    bounding = _bounding_set()
    for capability, number in _PASSAGES.items():
        if bounding >> number & 1:
            return capability
    raise PrivilegeError(
        f"Postgres refuses to run as root, and the user {_USER!r} may not enter {closed} (mode "
        f"{stat.filemode(closed.stat().st_mode)}). Run as an ordinary user, or move the checkout (or, where only the "
        "state directory lies there, LAKEHOUSE_STATE_DIR) to a directory that all users may enter."
    )


def _bounding_set() -> int:
    """The capabilities that a child of this process can have at all, a bit each."""
    status = Path("/proc/self/status").read_text(encoding="utf-8")
    return int(status.partition("CapBnd:")[2].split()[0], 16)
