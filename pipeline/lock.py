"""One writer an artifact, across processes and hosts.

A lock is a file made with O_EXCL that names its holder, whose heartbeat renews the file's time. flock is not used: it
fails on Lustre and on some NFS mounts.
"""

import json
import os
import socket
import sys
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
POLL_SECONDS = 0.2


@contextmanager
def hold(path: Path, on_wait: Callable[[dict[str, Any]], None]) -> Iterator[None]:
    """Hold the lock `path`; wait while another live process has it, telling `on_wait` once who that is."""
    path.parent.mkdir(parents=True, exist_ok=True)
    owner = _myself()
    _acquire(path, owner, on_wait)
    stop = threading.Event()
    thread = threading.Thread(target=_beat, args=(path, owner["token"], stop), daemon=True)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()
        if (_read(path) or {}).get("token") == owner["token"]:
            path.unlink(missing_ok=True)


def holder(path: Path) -> dict[str, Any] | None:
    """Return who holds the lock (host, pid, job, since), or None where nobody alive on this host or elsewhere does."""
    owner = _read(path)
    if owner is None or _is_dead(owner):
        return None
    try:
        age = time.time() - path.stat().st_mtime
    except FileNotFoundError:
        return None
    return owner if age < STALE_SECONDS else None


def _myself() -> dict[str, Any]:
    return {
        "token": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "born": _birth(os.getpid()),
        "job": os.environ.get("SLURM_JOB_ID"),
        "since": time.time(),
    }


def _acquire(path: Path, owner: dict[str, Any], on_wait: Callable[[dict[str, Any]], None]) -> None:
    told = False
    last_beat, last_change = None, time.monotonic()
    while not _create(path, owner):
        other = _read(path)
        beat = _mtime(path)
        if beat != last_beat:
            last_beat, last_change = beat, time.monotonic()
        # The other host's clock may differ from ours, so a heartbeat is dead when *we* saw it stand still for long.
        if other is not None and (_is_dead(other) or time.monotonic() - last_change > STALE_SECONDS):
            _steal(path, other["token"])
            continue
        if other is not None and not told:
            on_wait(other)
            told = True
        time.sleep(POLL_SECONDS)


def _create(path: Path, owner: dict[str, Any]) -> bool:
    # Written aside and linked into place: the lock is never seen empty, and link fails if it exists, also on NFS.
    draft = path.with_name(f"{path.name}.{owner['token']}")
    descriptor = os.open(draft, os.O_CREAT | os.O_EXCL | os.O_WRONLY)
    try:
        os.write(descriptor, json.dumps(owner).encode())
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:
        return False
    finally:
        draft.unlink()
    return True


def _steal(path: Path, token: str) -> None:
    grave = path.with_name(f"{path.name}.{uuid.uuid4().hex}")
    try:
        path.rename(grave)
    except FileNotFoundError:
        return  # somebody else was faster
    moved = _read(grave)
    if moved is not None and moved["token"] != token:
        # Between our look and the rename the dead lock was replaced by a live one: give it back.
        try:
            os.link(grave, path)
        except FileExistsError:
            print(f"lock {path} was taken twice; its first holder will notice and stop", file=sys.stderr)
    grave.unlink()


def _beat(path: Path, token: str, stop: threading.Event) -> None:
    while not stop.wait(HEARTBEAT_SECONDS):
        if (_read(path) or {}).get("token") != token:
            # This process slept so long (a suspended laptop) that another took over: two writers must never be.
            print(f"error: lost the lock {path} to another process; stopping", file=sys.stderr, flush=True)
            os._exit(75)
        os.utime(path)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _is_dead(owner: dict[str, Any]) -> bool:
    if owner["host"] != socket.gethostname():
        return False
    return _birth(owner["pid"]) != owner["born"]


def _birth(pid: int) -> int | None:
    """Return the process's start time in clock ticks since boot, which tells a reused pid apart; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
