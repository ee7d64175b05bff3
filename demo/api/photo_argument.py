"""Photos given to an endpoint: uploaded files, or `data:` addresses, which agents can send and which need no file."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import gradio as gr
from gradio.data_classes import GradioRootModel

from demo.common.photo_memory import SIDE_BYTES, SIDE_PIXELS
from demo.common.uploads import MAX_FILES, size_of, take_upload, upload_paths
from sfpn.errors import UserError
from sfpn.photos.photo import check_bytes, count_pixels

HOW = "give an uploaded file, or its content as a data: address in base64"
SCHEMA = {"type": "string", "description": "a photo: an uploaded file, or data:image/jpeg;base64,..."}
SMALLEST = "data:image/gif;base64,R0lGODlhAQABAAAAACH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="


@dataclass(frozen=True)
class Attached:
    """A photo that came inside the request."""

    name: str
    encoded: bytes


Given = str | Attached  # the path of an upload, or the photo itself


class _Unkept(GradioRootModel):
    """What was sent, for as long as it is being read: Gradio would keep it in the session otherwise."""

    root: Any

    def model_dump(self, **_: Any) -> Any:
        return None


class PhotoArgument(gr.File):
    """One photo, or a list of them with file_count="multiple", as an argument of an endpoint; not seen on the page."""

    is_template = True  # what the browser knows it as: a file

    @property
    def data_model(self) -> Any:  # pyright: ignore[reportIncompatibleVariableOverride]
        """How Gradio reads what was sent."""
        return _Unkept

    @data_model.setter
    def data_model(self, _: Any) -> None:
        """Gradio sets the one of files that are shown."""

    @property
    def several(self) -> bool:
        """Whether it is a list."""
        return self.file_count == "multiple"

    def preprocess(self, payload: Any) -> list[Given] | Given | None:
        """What was given. Raises gr.Error for what is neither an upload nor a `data:` address."""
        sent = payload.root if isinstance(payload, _Unkept) else payload
        if not self.several:
            return None if sent is None else read_argument(str(self.label), sent)
        sent = [] if sent is None else sent if isinstance(sent, list) else [sent]
        if len(sent) > MAX_FILES:
            raise _refusal(f"{len(sent):,} photos are too many: give at most {MAX_FILES} at once.")
        return [read_argument(f"{self.label}[{number}]", each) for number, each in enumerate(sent)]

    def api_info(self) -> dict[str, Any]:
        """The schema, for programs and agents."""
        if self.several:
            return {"type": "array", "items": SCHEMA, "description": "photos of one person"}
        return SCHEMA

    def example_payload(self) -> Any:
        """A picture of one pixel."""
        return [SMALLEST] if self.several else SMALLEST

    example_value = example_payload


def read_argument(name: str, sent: object) -> Given:
    """An upload's path, or the content of a `data:` address. Raises gr.Error for anything else."""
    if isinstance(sent, dict):
        return upload_paths([sent.get("path")])[0]
    if not isinstance(sent, str) or not sent.startswith("data:"):
        raise _refusal(f"{name}: this is no photo; {HOW}")
    head, comma, content = sent.partition(",")
    if not comma or not head.endswith(";base64"):
        raise _refusal(f"{name}: this data: address is not base64; {HOW}")
    try:
        check_bytes(len(content) * 3 // 4, name)
        encoded = base64.b64decode(content, validate=True)
    except binascii.Error as error:
        raise _refusal(f"{name}: this data: address is not base64; {HOW}") from error
    except UserError as error:
        raise _refusal(str(error)) from error
    return Attached(name, encoded)


def take_photos(given: Sequence[Given], sides: int) -> dict[Given, tuple[str, bytes]]:
    """Names and contents of what was given, each once; uploads are deleted from the disk here.

    Raises UserError, before any is decoded, if they are too much together for so many sides of a comparison.
    """
    given = list(dict.fromkeys(given))
    most_bytes, most_pixels = sides * SIDE_BYTES, sides * SIDE_PIXELS
    if sum(map(_size_of, given)) > most_bytes:
        raise UserError(f"the photos have more than {most_bytes / 1e6:.0f} MB together; give fewer, or smaller ones")
    files = {each: (each.name, each.encoded) if isinstance(each, Attached) else take_upload(each) for each in given}
    if sum(count_pixels(encoded, name) for name, encoded in files.values()) > most_pixels:
        raise UserError(
            f"the photos have more than {most_pixels / 1e6:.0f} megapixels together; give fewer, or smaller ones"
        )
    return files


def paths_of(given: Sequence[Given | None]) -> list[str]:
    """The uploads among them, for deleting those that were not read."""
    return [each for each in given if isinstance(each, str)]


def _size_of(given: Given) -> int:
    return len(given.encoded) if isinstance(given, Attached) else size_of(given)


def _refusal(sentence: str) -> gr.Error:
    return gr.Error(sentence, print_exception=False)
