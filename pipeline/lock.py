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
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from pipeline.provenance import process_space

HEARTBEAT_SECONDS = 5.0
STALE_SECONDS = 60.0
POLL_SECONDS = 0.2


@contextmanager
def hold(path: Path, on_wait: Callable[[dict[str, Any]], None]) -> Iterator[Callable[[], None]]:
    """Hold the lock `path`; wait while another live process has it, telling `on_wait` once who that is.

    Yields a function to call before anything irrevocable: it ends this process if the lock was lost.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    owner, stop = _myself(), threading.Event()
    thread = threading.Thread(target=_beat, args=(path, owner["token"], stop), daemon=True)
    try:  # also around the taking: Ctrl-C may come when the file has just appeared
        _acquire(path, owner, on_wait)
        thread.start()
        yield lambda: _end_if_lost(path, owner["token"])
    finally:
        stop.set()
        if thread.is_alive():
            thread.join()
        if (_read(path) or {}).get("token") == owner["token"]:
            path.unlink(missing_ok=True)


def holder(path: Path) -> dict[str, Any] | None:
    """Return who holds the lock (host, pid, job, since), or None where nobody alive on this host or elsewhere does."""
    owner, beat = _read(path), _mtime(path)
    if owner is None or beat is None or _is_dead(owner):
        return None
    return owner if _is_here(owner) or time.time() - beat < STALE_SECONDS else None


def _myself() -> dict[str, Any]:
    return {
        "token": uuid.uuid4().hex,
        "host": socket.gethostname(),
        "system": process_space(),
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
        # A process of this host that lives but sleeps (Ctrl-Z) keeps its lock: it would write on when it wakes.
        silent = time.monotonic() - last_change > STALE_SECONDS
        if other is not None and (_is_dead(other) or (silent and not _is_here(other))):
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
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    try:
        os.link(draft, path)
    except FileExistsError:  # NFS says so of our own link too, where its first answer was lost
        return (_read(path) or {}).get("token") == owner["token"]
    finally:
        draft.unlink(missing_ok=True)
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
        _end_if_lost(path, token)
        with suppress(OSError):  # a network file system that stumbles; the next beat tries again
            os.utime(path)


def _end_if_lost(path: Path, token: str) -> None:
    try:
        lost = (_read(path) or {}).get("token") != token
    except OSError:  # unreadable for the moment, which is not lost
        return
    if lost:
        # This process slept so long (a suspended laptop) that another took over: two writers must never be.
        print(f"error: lost the lock {path} to another process; stopping", file=sys.stderr, flush=True)
        os._exit(75)


def _read(path: Path) -> dict[str, Any] | None:
    try:
        return json.loads(path.read_text())
    except FileNotFoundError:
        return None
    except ValueError:  # cut off by a power loss: nobody's, and taken over once it is old
        return {"token": "", "host": "an unknown host", "pid": 0, "born": None, "job": None}


def _mtime(path: Path) -> float | None:
    try:
        return path.stat().st_mtime
    except FileNotFoundError:
        return None


def _is_here(owner: dict[str, Any]) -> bool:
    return owner["host"] == socket.gethostname() and owner.get("system") == process_space()


def _is_dead(owner: dict[str, Any]) -> bool:
    return _is_here(owner) and _birth(owner["pid"]) != owner["born"]


def _birth(pid: int) -> int | None:
    """Return the process's start time in clock ticks since boot, which tells a reused pid apart; None if it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return None
    return None if fields[0] in "ZX" else int(fields[19])
