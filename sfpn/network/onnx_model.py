"""Any ONNX face network as a function of a batch: (B, 3, size, size) float32 -> (B, D) float32.

Exporters differ: a fixed number of faces at once, channels last, pictures of uint8 or float16, an output
(B, D, 1, 1), a norm as a second output. What a file says about itself is read when it is opened, what it leaves open is
tried with an empty picture, and what does not fit is refused there and not at the first photo.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from sfpn.errors import UserError
from sfpn.onnx_runtime import onnx_runtime
from sfpn.schema import MAX_DESCRIPTOR, MAX_SIZE

INPUT_TYPES = {
    "tensor(float)": np.float32,
    "tensor(float16)": np.float16,
    "tensor(double)": np.float64,
    "tensor(uint8)": np.uint8,
}
MAX_BATCH = 256  # faces at once that a file may insist on
MAX_PIXELS = 16_000_000  # of all of them together
LAYOUTS = ("NCHW", "NHWC", "CHW", "HWC")  # the last two: one picture, no axis for the batch

Shape = list[int | None]  # None: left open by the file


class Undecided(UserError):
    """The file leaves open what its card has to say: the size of its pictures, or which output is the embedding."""


@dataclass(frozen=True)
class OnnxInput:
    """How the network wants its pictures."""

    name: str
    dtype: type[np.generic]
    layout: str  # one of LAYOUTS
    batch: int | None  # faces at once; None: any number

    @property
    def is_whole(self) -> bool:
        """Whether it takes pixels as whole numbers 0-255."""
        return self.dtype is np.uint8

    def arrange(self, batch: np.ndarray) -> np.ndarray:
        """(B, 3, size, size) float32 in the type and layout of the input."""
        if self.is_whole:
            batch = batch.round().clip(0, 255)
        if self.layout.endswith("HWC"):
            batch = batch.transpose(0, 2, 3, 1)
        batch = batch if self.layout.startswith("N") else batch[0]
        return np.ascontiguousarray(batch, dtype=self.dtype)


class OnnxModel:
    """See `run`; `size` is the side of the pictures in pixels, `descriptor_size` the numbers of an embedding."""

    def __init__(
        self,
        path: Path,
        encoded: bytes,
        *,
        size: int | None = None,
        descriptor_size: int | None = None,
        output: str | None = None,
        external: dict[str, bytes] | None = None,
        threads: int = 0,
    ) -> None:
        """Open the bytes of an ONNX file that `path` names in messages.

        size: side of the pictures, None to take the one that the file states. descriptor_size and output (a name) say
        which output is the embedding, and are needed only where there are several. external: contents of the files that
        the model keeps beside it (see `external_files`); no file is read here.
        Raises UserError for a file that cannot be read, is no network for pictures of faces, or leaves a choice open.
        """
        self.path = path
        self._session = _open_session(path, encoded, external or {}, threads)
        name, dtype, shape = self._only_input()
        self.size = _size_of(path, shape, size)
        self.input, self.output, self.descriptor_size = self._try_inputs(
            [OnnxInput(name, dtype, layout, batch) for layout, batch in _arrangements(shape, self.size)],
            shape,
            descriptor_size,
            output,
        )

    def run(self, batch: np.ndarray) -> np.ndarray:
        """(B, 3, size, size) float32 -> (B, D) float32. Raises UserError if ONNX Runtime cannot compute it."""
        step = self.input.batch or max(1, len(batch))
        parts = []
        for start in range(0, len(batch), step):
            chunk = batch[start : start + step]
            missing = step - len(chunk) if self.input.batch else 0
            padded = np.concatenate([chunk, np.repeat(chunk[-1:], missing, axis=0)]) if missing else chunk
            try:
                found = self._session.run([self.output], {self.input.name: self.input.arrange(padded)})[0]
            except Exception as error:  # see _open_session
                raise UserError(f"{self.path}: ONNX Runtime cannot compute it ({_in_short(error)})") from error
            if np.size(found) != len(padded) * self.descriptor_size:
                raise UserError(f"{self.path}: gave {np.shape(found)} for {len(padded)} faces; export it again")
            parts.append(np.asarray(found, np.float32).reshape(len(padded), -1)[: len(chunk)])
        return np.concatenate(parts)

    def _only_input(self) -> tuple[str, type[np.generic], Shape]:
        inputs = self._session.get_inputs()
        if len(inputs) != 1:
            names = ", ".join(each.name for each in inputs)[:200] or "none"
            raise UserError(f"{self.path}: a face network has one input, the picture; this has {len(inputs)}: {names}")
        [only] = inputs
        if only.type not in INPUT_TYPES:
            known = ", ".join(kind.removeprefix("tensor(").removesuffix(")") for kind in INPUT_TYPES)
            raise UserError(f"{self.path}: takes {only.type}; pictures can be given as {known}, export it with one")
        shape: Shape = [each if isinstance(each, int) and each > 0 else None for each in only.shape]
        if len(shape) not in (3, 4):
            raise UserError(
                f"{self.path}: its input has the shape {only.shape}; "
                "it needs the axes of a picture: batch, 3 channels, height, width"
            )
        return only.name, INPUT_TYPES[only.type], shape

    def _try_inputs(
        self, arrangements: list[OnnxInput], shape: Shape, descriptor_size: int | None, output: str | None
    ) -> tuple[OnnxInput, str, int]:
        """The first arrangement that gives an embedding for each face. Raises the error of the first if none does."""
        refused: UserError | None = None
        for arrangement in arrangements:
            count = arrangement.batch or 2
            empty = np.zeros((count, 3, self.size, self.size), np.float32)
            try:
                found = self._session.run(None, {arrangement.name: arrangement.arrange(empty)})
                return arrangement, *self._choose(found, count, descriptor_size, output)
            except UserError as error:
                refused = refused or error
            except Exception as error:  # see _open_session
                refused = refused or UserError(f"{self.path}: cannot be run on an empty picture ({_in_short(error)})")
        raise refused or UserError(
            f"{self.path}: its input has the shape {[each or '?' for each in shape]}, which is not a batch of colour "
            f"pictures of {self.size}x{self.size}; give the size that it was made for in its card"
        )

    def _choose(self, found: list[Any], count: int, wanted: int | None, named: str | None) -> tuple[str, int]:
        """Name and length of the output that holds one embedding for each of `count` faces."""
        outputs: dict[str, int] = {}
        for description, value in zip(self._session.get_outputs(), found, strict=True):
            is_rate = isinstance(value, np.ndarray) and value.dtype.kind == "f" and value.size
            if is_rate and value.size % count == 0 and (count == 1 or value.shape[:1] == (count,)):
                outputs[description.name] = value.size // count
        fitting = [
            name
            for name, length in outputs.items()
            if (named is None or name == named) and (length == wanted if wanted else 1 < length <= MAX_DESCRIPTOR)
        ]
        if len(fitting) == 1:
            return fitting[0], outputs[fitting[0]]
        have = (
            ", ".join(f"{name} ({length} numbers a face)" for name, length in outputs.items())[:300] or "no such output"
        )
        if not fitting:
            what = f"an embedding of {wanted} numbers" if wanted else "an embedding"
            called = f" called {named}" if named else ""
            raise UserError(f"{self.path}: has no output{called} that is {what}; it has {have}")
        raise Undecided(
            f"{self.path}: several of its outputs may be the embedding: {have}; "
            "name one in its card, as architecture.output (python -m sfpn make-card ... --output NAME)"
        )


def external_files(path: Path, encoded: bytes, expected: dict[str, Any] | None = None) -> dict[str, bytes]:
    """Contents by name of the files beside the model that hold some of its weights; empty for most models.

    expected: name -> SHA-256 of each, from the card; None before there is a card. Raises UserError for a file in
    another folder, one that is missing, and one that the card does not know or that has changed.
    """
    if b"location" not in encoded:  # the key under which ONNX names such a file
        return {}
    found: dict[str, bytes] = {}
    for name in sorted(set(_external_names(path, encoded))):
        file = path.parent / name
        inside = Path(name).name == name and not name.startswith(".") and "\\" not in name
        # A card lists what it was written for by content; without one, a link may not lead out of the folder either.
        if not inside or (expected is None and file.resolve().parent != path.resolve().parent):
            raise UserError(f"{path}: reads {name!r:.200}, a file outside of its folder; export it as one file")
        if not file.is_file():
            raise UserError(f"{path}: its weights file {name} is missing beside it; copy it there")
        found[name] = file.read_bytes()
        if expected is not None and expected.get(name) != hashlib.sha256(found[name]).hexdigest():
            raise UserError(
                f"{path}: {name} is not the file that the card describes (SHA-256 differs); "
                "it is damaged, or the card is another's"
            )
    return found


def _external_names(path: Path, encoded: bytes) -> Iterator[str]:
    try:
        import onnx
        from google.protobuf.message import DecodeError, Message
    except ModuleNotFoundError as error:
        raise UserError(
            f"{path}: keeps weights in other files, which needs the package onnx to be checked; run: pip install onnx"
        ) from error
    try:
        model = onnx.load_model_from_string(encoded)
    except DecodeError as error:
        raise UserError(f"{path}: not a readable ONNX model ({_in_short(error)}); export it again") from error
    waiting: list[Message] = [model]
    while waiting:
        message = waiting.pop()
        if isinstance(message, onnx.TensorProto) and message.data_location == onnx.TensorProto.EXTERNAL:
            yield from (entry.value for entry in message.external_data if entry.key == "location")
        for field, value in message.ListFields():
            if field.message_type is not None:
                waiting.extend([value] if isinstance(value, Message) else value)


def _open_session(path: Path, encoded: bytes, external: dict[str, bytes], threads: int) -> Any:
    try:
        onnxruntime = onnx_runtime()
    except ModuleNotFoundError as error:
        raise UserError(f"{path}: ONNX files need ONNX Runtime; run: pip install onnxruntime") from error
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.log_severity_level = 4  # fatal only: what it cannot do arrives as an error
    if external:
        options.add_external_initializers_from_files_in_memory(
            list(external), list(external.values()), [len(content) for content in external.values()]
        )
    try:
        return onnxruntime.InferenceSession(encoded, options, providers=["CPUExecutionProvider"])
    except Exception as error:  # ONNX Runtime's errors have no common class below it
        raise UserError(f"{path}: not a readable ONNX model ({_in_short(error)}); export it again") from error


def _size_of(path: Path, shape: Shape, size: int | None) -> int:
    """The side of the pictures, from the file where it states one."""
    stated = {each for each in shape[-3:] if each is not None and each != 3}
    if size is None:
        if len(stated) != 1:
            raise Undecided(f"{path}: does not state the size of its pictures; say it with --size")
        size = stated.pop()
    if not 1 <= size <= MAX_SIZE:
        raise UserError(f"{path}: takes pictures of {size} pixels, more than the {MAX_SIZE} allowed")
    return size


def _arrangements(shape: Shape, size: int) -> list[tuple[str, int | None]]:
    """(layout, batch) in the order to try: what the shape allows, one face at a time last."""

    def allows(axes: Shape, wanted: tuple[int, ...]) -> bool:
        return all(axis in (None, side) for axis, side in zip(axes, wanted, strict=True))

    orders = {"CHW": (3, size, size), "HWC": (size, size, 3)}
    layouts = [name for name, wanted in orders.items() if allows(shape[-3:], wanted)]
    layouts.sort(key=lambda name: shape[-3:][name.index("C")] != 3)  # a stated 3 is the channels
    if len(shape) == 3:
        return [(layout, 1) for layout in layouts]
    batch = shape[0]
    if batch is not None and (batch > MAX_BATCH or batch * size**2 > MAX_PIXELS):
        return []
    return [(f"N{layout}", count) for count in ([batch] if batch else [None, 1]) for layout in layouts]


def _in_short(error: Exception) -> str:
    return " ".join(str(error).split())[:200]
