"""Files that visitors send: the one place where anything that a client names becomes bytes, or is deleted.

A request may name any path, whatever the page itself would send, and Gradio lets some of them through. So only regular
files inside Gradio's upload folder are opened or deleted here: no links, pipes, devices or folders, and no files that
are served to all. For a path elsewhere the answer is always the same sentence, whether or not there is such a file.
"""

from __future__ import annotations

import contextlib
import contextvars
import os
import secrets
import shutil
import stat
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import gradio as gr
from gradio import processing_utils, route_utils, routes
from gradio.utils import get_upload_folder, is_static_file

from demo.start import PREFIX
from sfpn.errors import UserError
from sfpn.photos.photo import MAX_BYTES, check_bytes

MAX_FILES = 100  # named in one request
LIFETIME = 600  # seconds until an upload that nobody read is deleted
ALL_BYTES = 2_000_000_000  # of all uploads on the disk
TRACKED = 128  # uploads whose progress is known
FREE_BYTES = 200_000_000  # that stay free on it
NOT_AN_UPLOAD = "This file was not uploaded here: choose the photo again."
NO_DOWNLOADS = "This app fetches nothing from other addresses: give the photo itself."
FLAGS = os.O_RDONLY | sum(getattr(os, name, 0) for name in ("O_NOFOLLOW", "O_NONBLOCK", "O_CLOEXEC", "O_BINARY"))


def own_uploads() -> None:
    """Make Gradio keep each upload in a folder of its own, and fetch nothing on a client's behalf.

    It names the folder by the content alone, so the same photo of two visitors would be one file, and the first of them
    would take it away from the other. It would also download any address that a client gives in place of a file.
    """
    route_utils.GradioUploadFile = _OwnUpload
    processing_utils.async_ssrf_protected_download = _refuse_download
    routes.file_upload_statuses = _Progress()


class _OwnUpload(route_utils.GradioUploadFile):
    def __init__(self, file: Any, **kwargs: Any) -> None:
        super().__init__(file, **kwargs)
        self.sha.update(secrets.token_bytes(32))
        began = arriving.get()
        if began is not None:
            began.append(file.name)


class _Progress(route_utils.FileUploadProgress):
    """How far uploads have come; Gradio's own would keep every id that anybody ever named."""

    def track(self, upload_id: str) -> None:
        super().track(upload_id)
        while len(self._statuses) > TRACKED:
            self.stop_tracking(next(iter(self._statuses)))

    def stop_tracking(self, upload_id: str) -> None:
        super().stop_tracking(upload_id)
        self._signals.pop(upload_id, None)

    async def is_tracked(self, upload_id: str) -> bool:
        try:
            return await super().is_tracked(upload_id)
        finally:
            if upload_id not in self._statuses:
                self._signals.pop(upload_id, None)


arriving: contextvars.ContextVar[list[str] | None] = contextvars.ContextVar("arriving", default=None)
"""The files that the request at hand has begun to write: whoever sets a list deletes them if it does not end well."""


def sweep(seconds: float = LIFETIME) -> None:
    """Delete the uploads that are older than that, and whatever else lies in their folder as long."""
    folder, now = Path(os.path.realpath(get_upload_folder())), time.time()
    for place in _entries(folder):
        if not stat.S_ISDIR(place.stat(follow_symlinks=False).st_mode):
            _delete_old(place, now - seconds)
            continue
        for file in _entries(Path(place.path)):
            _delete_old(file, now - seconds)
        with contextlib.suppress(OSError):  # it is in use, or young
            if place.stat(follow_symlinks=False).st_mtime <= now - seconds:
                os.rmdir(place.path)


def _entries(folder: Path) -> list[os.DirEntry]:
    try:
        with os.scandir(folder) as found:
            return list(found)
    except OSError:
        return []


def _delete_old(file: os.DirEntry, before: float) -> None:
    with contextlib.suppress(OSError):
        status = file.stat(follow_symlinks=False)
        if status.st_ctime <= before and not is_static_file(file.path):
            if stat.S_ISDIR(status.st_mode):
                shutil.rmtree(file.path, ignore_errors=True)
            else:
                os.unlink(file.path)


def uploaded_bytes(paths: Sequence[str] | None = None) -> int:
    """What these uploads take on the disk, or all of them."""
    if paths is None:
        folder = Path(os.path.realpath(get_upload_folder()))
        paths = [file.path for place in _entries(folder) for file in [place, *_entries(Path(place.path))]]
    found = 0
    for path in paths:
        with contextlib.suppress(OSError):
            status = os.lstat(path)
            found += 0 if stat.S_ISDIR(status.st_mode) else status.st_size
    return found


def check_disk(size: int) -> None:
    """Raise UserError if the disk has no room for so many bytes more."""
    folder = Path(get_upload_folder())
    folder.mkdir(parents=True, exist_ok=True)
    if uploaded_bytes() + size > ALL_BYTES or shutil.disk_usage(folder).free < size + FREE_BYTES:
        raise UserError("This computer has no room for more photos at the moment: try again in some minutes.")


async def _refuse_download(url: str, **kwargs: Any) -> str:
    raise gr.Error(NO_DOWNLOADS, print_exception=False)


def folder_beside_uploads(kind: str) -> Path:
    """A new folder of the app's own, which nobody else may read; among the uploads it would be swept and served."""
    place = Path(get_upload_folder()).absolute().parent
    place.mkdir(parents=True, exist_ok=True)
    return Path(tempfile.mkdtemp(prefix=f"{PREFIX}{os.getpid()}-{kind}-", dir=place))


def locate(path: object) -> Path:
    """The file of an upload, free of links. Raises UserError for whatever does not plainly lie in the upload folder."""
    folder = os.path.realpath(get_upload_folder())
    try:
        given = os.path.abspath(path) if isinstance(path, str) and os.path.isabs(path) else ""
        for base in {folder, os.path.abspath(get_upload_folder())}:
            file = os.path.join(folder, given[len(base) + 1 :])
            if given.startswith(base + os.sep) and os.path.realpath(file) == file and not is_static_file(file):
                return Path(file)
    except (ValueError, OSError):  # a name that no file can have
        pass
    raise UserError(NOT_AN_UPLOAD)


def size_of(path: object) -> int:
    """The bytes of an upload, without opening it.

    Raises UserError if there is no such upload, or it is empty or too large.
    """
    file = locate(path)
    try:
        status = os.lstat(file)
    except FileNotFoundError as error:
        raise UserError(f"{file.name}: the upload was lost; give it again") from error
    except OSError as error:
        raise UserError(NOT_AN_UPLOAD) from error
    if not stat.S_ISREG(status.st_mode):
        raise UserError(NOT_AN_UPLOAD)
    check_bytes(status.st_size, file.name)
    return status.st_size


def take_upload(path: object) -> tuple[str, bytes]:
    """Name and content of an upload, which is deleted from the disk here. Raises UserError, also then nothing stays."""
    try:
        size_of(path)
        file = locate(path)
        return file.name, _read(file)
    finally:
        discard([path])


def move_upload(path: object, to: Path, most: int, what: str = "a set", remedy: str = "leave pictures out") -> str:
    """Move an upload, which may have `most` bytes, to a place of the app's own, and give its name.

    what: the upload is, as words for a refusal; remedy: what to do about one that is too large.

    Raises UserError if there is no such upload, or it is empty or larger; also then nothing stays.
    """
    try:
        file = locate(path)
        try:
            status = os.lstat(file)
        except OSError as error:
            raise UserError(f"{file.name}: the upload was lost; give it again") from error
        if not stat.S_ISREG(status.st_mode):
            raise UserError(NOT_AN_UPLOAD)
        if not status.st_size:
            raise UserError(f"{file.name} is an empty file: choose another")
        if status.st_size > most:
            size, most_mb = (f"{number / 1e6:,.0f} MB" for number in (status.st_size, most))
            raise UserError(f"{file.name} has {size}, and {what} may have {most_mb} here: {remedy}")
        shutil.move(file, to)
        return file.name
    finally:
        discard([path])


def discard(paths: Sequence[object]) -> None:
    """Delete uploads unread; whatever is none is left alone."""
    for path in paths:
        with contextlib.suppress(UserError, OSError):
            file = locate(path)
            if stat.S_ISREG(os.lstat(file).st_mode):
                file.unlink()
                if file.parent != Path(os.path.realpath(get_upload_folder())):
                    file.parent.rmdir()  # its own folder; another file in it keeps it


def _read(file: Path) -> bytes:
    try:
        descriptor = os.open(file, FLAGS)
    except OSError as error:
        raise UserError(f"{file.name}: the upload was lost; give it again") from error
    try:
        if not stat.S_ISREG(os.fstat(descriptor).st_mode):
            raise UserError(NOT_AN_UPLOAD)
        with open(descriptor, "rb", closefd=False) as stream:
            content = stream.read(MAX_BYTES + 1)
    finally:
        os.close(descriptor)
    check_bytes(len(content), file.name)
    return content


def upload_paths(paths: Sequence[object]) -> list[str]:
    """The paths, each of them an upload, for components that give them to handlers. Raises gr.Error for others."""
    try:
        if len(paths) > MAX_FILES:
            raise UserError(f"{len(paths):,} files are too many: give at most {MAX_FILES} at once.")
        return [str(locate(path)) for path in paths]
    except UserError as error:
        raise gr.Error(str(error), print_exception=False) from error
