"""What starting the app needs of the computer: an address to listen on, and a folder of its own for temporary files."""

from __future__ import annotations

import atexit
import errno
import os
import shutil
import socket
import tempfile
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None

from sfpn.errors import UserError

LOCALHOST = "127.0.0.1"
MOST_PORT = 65535
PREFIX = "squeezefaceposenet-app-"  # of a folder of temporary files; then the number of its process
TEMPORARY = "GRADIO_TEMP_DIR"  # read by Gradio whenever it needs the folder of uploads


def check_address(host: str | None, port: int | None) -> None:
    """Raise UserError when the app cannot listen there: said at once, not after the models are loaded.

    None: what Gradio takes then, that is this computer only, and the first free port from 7860 on.
    """
    if port is not None and not 0 < port <= MOST_PORT:
        raise UserError(f"--port {port}: give a number from 1 to {MOST_PORT}, or leave it out")
    host = host or os.environ.get("GRADIO_SERVER_NAME") or LOCALHOST
    for name in dict.fromkeys((host.strip("[]"), LOCALHOST)):  # Gradio asks for the port on this computer too
        _try(name, host, port)


def _try(name: str, host: str, port: int | None) -> None:
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(name, port or 0, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError) as error:
        raise UserError(f"--host {host}: there is no such address; leave it out, or give 0.0.0.0") from error
    try:
        with socket.socket(family, kind, protocol) as listening:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)  # a port that was just left is free
            listening.bind(address)
    except OSError as error:
        raise UserError(_why_not(error, host, port)) from error


def _why_not(error: OSError, host: str, port: int | None) -> str:
    if error.errno == errno.EADDRINUSE:
        return f"--port {port} is in use by another program: choose another, or leave it out for the first free one"
    if error.errno == errno.EACCES:
        return f"--port {port} is for administrators: choose one from 1024 on, or leave it out"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"--host {host} is not an address of this computer: leave it out, or give 0.0.0.0 for all it has"
    return f"--host {host} cannot be listened on ({error.strerror}): leave it out, or give 0.0.0.0"


def name_temporary_folder() -> None:
    """Give Gradio a new name for its folder of temporary files, where TMPDIR or GRADIO_TEMP_DIR say; makes nothing.

    Call it before Gradio is imported: it reads the name then. Its default is one folder for all users of a computer:
    the first of them owns it, and for the others the app does not start.
    """
    place = os.environ.get(TEMPORARY)
    try:
        place = Path(place or tempfile.gettempdir())
    except OSError:  # there is none that can be written to; own_temporary_folder says so
        place = Path.cwd()
    folder = str(place.absolute() / f"{PREFIX}{os.getpid()}-{uuid.uuid4().hex}")  # a name that nobody can foresee
    os.environ[TEMPORARY] = folder
    atexit.register(shutil.rmtree, folder, ignore_errors=True)


@contextmanager
def own_temporary_folder() -> Iterator[Path]:
    """Make the named folder, which nobody else may read, and remove it at the end with the uploads that are in it.

    Raises UserError when it cannot be made.
    """
    folder = Path(os.environ[TEMPORARY])
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)  # pages that were built before have used it
        folder.chmod(0o700)
        lock = _locked(_lock_of(folder))
        _remove_abandoned(folder.parent)
    except OSError as error:
        where = f"{folder.parent} ({error.strerror})"
        raise UserError(f"no temporary files can be written to {where}: set TMPDIR to another folder") from error
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        _lock_of(folder).unlink(missing_ok=True)
        if lock is not None:
            os.close(lock)


def _remove_abandoned(place: Path) -> None:
    """Remove the folders of apps that were killed."""
    for left in place.glob(f"{PREFIX}*-*"):
        owner = left.name[len(PREFIX) :].partition("-")[0]
        if not owner.isdecimal() or left.is_symlink() or _runs(int(owner)) or _holds_a_lock(place, owner):
            continue
        if left.is_dir():
            shutil.rmtree(left, ignore_errors=True)
        else:
            left.unlink(missing_ok=True)


def _lock_of(folder: Path) -> Path:
    """The file that an app keeps locked: its number alone says nothing in another container that shares the disk."""
    return folder.with_name(f"{folder.name}.lock")


def _locked(file: Path) -> int | None:
    """The descriptor of a file, locked until it is closed; None where somebody has it, or there are no locks."""
    if fcntl is None:
        return None
    descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        os.close(descriptor)
        return None
    return descriptor


def _holds_a_lock(place: Path, owner: str) -> bool:
    """Whether an app of this number, on this computer or in a container of it, runs."""
    for file in place.glob(f"{PREFIX}{owner}-*.lock") if fcntl else ():
        try:
            descriptor = _locked(file)
        except OSError:
            continue
        if descriptor is None:
            return True
        os.close(descriptor)
    return False


def _runs(process: int) -> bool:
    if os.name == "nt":  # where asking would end it
        return True
    try:
        os.kill(process, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # it is another user's
        return True
    return True
