"""ONNX Runtime for the browser: one pinned version, fetched by a command and checked, never part of the repository.

Three files of the npm package are kept: the module, its glue and the WebAssembly program, which is kept gzipped.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import io
import os
import tarfile
import urllib.error
import urllib.request
from dataclasses import dataclass
from pathlib import Path

from sfpn.errors import UserError
from sfpn.files import whole_folder

VERSION = "1.30.0"
REGISTRY = "https://registry.npmjs.org"
PACKAGE = f"onnxruntime-web/-/onnxruntime-web-{VERSION}.tgz"
INTEGRITY = "sha512-q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
CDN = "https://cdn.jsdelivr.net"
CDN_FOLDER = f"{CDN}/npm/onnxruntime-web@{VERSION}/dist"
MAX_BYTES = 50_000_000  # of the package; it has 33 MB
TIMEOUT = 60  # seconds without an answer
FETCH = "python -m demo.on_device fetch"


@dataclass(frozen=True)
class RuntimeFile:
    """A file of the package: its name there, how it is kept, its size, and the hash that a browser checks."""

    name: str
    bytes: int
    integrity: str
    packed: bool = False

    @property
    def kept_as(self) -> str:
        """Its name in the folder."""
        return f"{self.name}.gz" if self.packed else self.name


FILES = {
    "module": RuntimeFile(
        "ort.wasm.min.mjs", 50_126, "sha384-SfFfy/pvthiOsgaw3KX0bV5TfQ6Iq+oY9KutMe4SxIuHH4cl+DCSD4rTsYOoG1tJ"
    ),
    "glue": RuntimeFile(
        "ort-wasm-simd-threaded.mjs", 24_381, "sha384-XcXA/MtAf0WpB8e023xQH9CM7RIjiugakT7x99DIwpFf7k56BIFFcAPerIF7FDad"
    ),
    "wasm": RuntimeFile(
        "ort-wasm-simd-threaded.wasm",
        14_239_897,
        "sha384-vjBJ1z7qrhkTyYsNqKeF6c7N+nOJSU94czEo+tvZcu8G75JparGq9kB+kTnEUNVM",
        packed=True,
    ),
}


def cache_folder() -> Path:
    """Where fetched and exported files are kept: below XDG_CACHE_HOME, by default ~/.cache."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "squeezefaceposenet"


def runtime_folder(cache: Path) -> Path:
    """Where this version lies in a cache folder."""
    return cache / f"onnxruntime-web-{VERSION}"


def is_fetched(cache: Path) -> bool:
    """Whether all files of this version are there."""
    return all((runtime_folder(cache) / file.kept_as).is_file() for file in FILES.values())


def fetch(cache: Path, registry: str = REGISTRY, archive: Path | None = None) -> Path:
    """Fetch the package, or read it from `archive`, check it, and keep its files; returns their folder.

    Raises UserError when it cannot be fetched, is not this very version, or cannot be written; then the folder is as
    it was.
    """
    packed = read(archive) if archive else download(f"{registry.rstrip('/')}/{PACKAGE}")
    if integrity("sha512", packed) != INTEGRITY:
        raise UserError(
            f"{archive or registry}: is not onnxruntime-web {VERSION} as published (its SHA-512 is another); "
            "nothing was kept, fetch it again"
        )
    contents = unpacked(packed)
    folder = runtime_folder(cache)
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        with whole_folder(folder) as building:
            for file in FILES.values():
                content = contents[file.name]
                (building / file.kept_as).write_bytes(gzip.compress(content, 9, mtime=0) if file.packed else content)
    except OSError as error:
        raise UserError(f"{folder} cannot be written ({error.strerror}): choose another --cache") from error
    return folder


def download(address: str) -> bytes:
    """The bytes at an address. Raises UserError when they do not come, or are too many."""
    try:
        with urllib.request.urlopen(address, timeout=TIMEOUT) as answer:
            found = answer.read(MAX_BYTES + 1)
    except (OSError, ValueError, urllib.error.URLError) as error:
        raise UserError(
            f"{address} cannot be fetched ({' '.join(str(error).split())}): check the network, or fetch it elsewhere "
            "and give it with --archive"
        ) from error
    return _bounded(found, address)


def read(archive: Path) -> bytes:
    """The bytes of a package that was fetched elsewhere. Raises UserError."""
    try:
        with archive.open("rb") as file:
            return _bounded(file.read(MAX_BYTES + 1), str(archive))
    except OSError as error:
        raise UserError(f"{archive}: cannot be read ({error.strerror}); check the path") from error


def _bounded(found: bytes, name: str) -> bytes:
    if len(found) > MAX_BYTES:
        raise UserError(f"{name}: has more than {MAX_BYTES / 1e6:.0f} MB, which the package has not; fetch it again")
    return found


def unpacked(packed: bytes) -> dict[str, bytes]:
    """The three files of the package by name. Raises UserError for one that is missing or changed."""
    found = {}
    try:
        with tarfile.open(fileobj=io.BytesIO(packed), mode="r:gz") as package:
            for file in FILES.values():
                inside = package.extractfile(f"package/dist/{file.name}")
                found[file.name] = inside.read() if inside else b""
    except (tarfile.TarError, KeyError, EOFError, OSError) as error:
        raise UserError(f"the package of onnxruntime-web cannot be unpacked ({error}); fetch it again") from error
    for file in FILES.values():
        if integrity("sha384", found[file.name]) != file.integrity:
            raise UserError(f"{file.name} in the package is not that of onnxruntime-web {VERSION}; fetch it again")
    return found


def integrity(kind: str, content: bytes) -> str:
    """'sha384-...' as npm and browsers write it."""
    return f"{kind}-{base64.b64encode(hashlib.new(kind, content).digest()).decode()}"
