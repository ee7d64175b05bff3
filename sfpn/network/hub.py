"""Weights on the Hugging Face Hub: `user/repo` or `user/repo@revision`, fetched once, checked, never unpickled.

A repository holds `model.json` (the card) and `model.safetensors` or `model.onnx` beside it, as `save_pretrained`
writes them. Nothing else of a repository is ever fetched.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sfpn.errors import UserError
from sfpn.network.card import load_card

STEM = "model"  # of weights and card in a repository or a folder
CARD_NAME, ENDINGS = f"{STEM}.json", (".safetensors", ".onnx")
HUB_ID = re.compile(r"(?P<repo>[A-Za-z0-9][\w.-]{0,95}/[\w.-]{1,96})(@(?P<revision>[\w][\w./-]{0,200}))?", re.ASCII)


def is_hub_id(text: str) -> bool:
    """Whether a text reads as `user/repo` or `user/repo@revision` and not as the name of a weights file."""
    return HUB_ID.fullmatch(text) is not None and not text.endswith((*ENDINGS, ".json", ".mat", ".pt"))


def download(hub_id: str) -> Path:
    """The weights file of a repository in the local cache of the Hub, its card beside it; both of one commit.

    hub_id: `user/repo`, or `user/repo@revision` with a branch, tag or commit. Raises UserError if it cannot be had.
    """
    match = HUB_ID.fullmatch(hub_id)
    if match is None:
        raise UserError(f"{hub_id}: not a repository of the Hugging Face Hub; write user/repo or user/repo@revision")
    repo, revision = match["repo"], match["revision"]
    card_file = _fetch(hub_id, repo, CARD_NAME, revision)
    commit = card_file.parent.name  # the cache is laid out as snapshots/COMMIT/FILE
    architecture = load_card(card_file.with_suffix(ENDINGS[0])).architecture
    ending = ".onnx" if architecture.get("type") == "onnx" else ".safetensors"
    weights = _fetch(hub_id, repo, f"{STEM}{ending}", commit)
    for name in external_names(architecture):
        _fetch(hub_id, repo, name, commit)
    return weights


def external_names(architecture: dict[str, Any]) -> list[str]:
    """Names of the files that an ONNX model keeps beside it, as its card lists them.

    Raises UserError for anything but plain names: a name must not lead into another folder.
    """
    listed = architecture.get("external_data", {})
    if not isinstance(listed, dict) or not all(re.fullmatch(r"\w[\w.-]*", name) for name in listed):
        raise UserError("a card's architecture.external_data must name files beside the model, without folders")
    return list(listed)


def upload(
    folder: Path,
    repo: str,
    *,
    kind: str = "model",
    parts: Sequence[str] | None = None,
    private: bool | None,
    revision: str | None,
    message: str,
    token: str | None,
) -> str:
    """Upload files of a folder in one commit, making the repository if need be; returns the commit's address.

    kind: 'model' or 'dataset'. parts: patterns of the files to upload (None: all of them).
    Raises UserError if the Hub cannot be reached or does not allow it.
    """
    from huggingface_hub import HfApi

    match = HUB_ID.fullmatch(repo)
    if match is None or match["revision"]:
        raise UserError(f"{repo}: not a repository of the Hugging Face Hub; write user/repo")
    api = HfApi(token=token)
    try:
        with _quiet():
            api.create_repo(repo, repo_type=kind, private=private, exist_ok=True)
            return str(
                api.upload_folder(
                    repo_id=repo,
                    repo_type=kind,
                    folder_path=folder,
                    allow_patterns=None if parts is None else list(parts),
                    revision=revision,
                    commit_message=message,
                )
            )
    except Exception as error:  # see _fetch
        raise UserError(f"{repo}: {_why_not_uploaded(error)}") from error


def _fetch(hub_id: str, repo: str, name: str, revision: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    try:
        with _quiet():
            return Path(hf_hub_download(repo, name, revision=revision))
    except Exception as error:  # errors of the transport differ from version to version of the library
        raise UserError(f"{hub_id}: {_why(error, name)}") from error


@contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's warnings of each attempt: what comes of them is said in one sentence."""
    from huggingface_hub.utils import logging

    before = logging.get_verbosity()
    logging.set_verbosity_error()
    try:
        yield
    finally:
        logging.set_verbosity(before)


def _why(error: Exception, name: str) -> str:
    """What went wrong and what to do; without the library's paragraphs."""
    from huggingface_hub import constants, errors

    here = "and there is no file or bundled model of this name"
    if isinstance(error, errors.RevisionNotFoundError):
        return "the Hub has the repository but not this revision; check what follows the @"
    if isinstance(error, errors.GatedRepoError):
        return (
            "the Hub asks for your agreement first; accept the terms on the model's page and log in with: hf auth login"
        )
    if isinstance(error, errors.RepositoryNotFoundError):
        return f"not on the Hugging Face Hub (or private: log in with: hf auth login), {here}; check the name"
    offline = constants.HF_HUB_OFFLINE or isinstance(error, errors.OfflineModeIsEnabled)
    if offline:
        return (
            f"not in the local cache, {here}; the Hub is not asked because HF_HUB_OFFLINE is set (app.py sets it "
            "where you do not): run with HF_HUB_OFFLINE=0 to allow the download"
        )
    if isinstance(error, errors.LocalEntryNotFoundError):
        return f"not in the local cache, {here}, and the Hugging Face Hub cannot be reached; connect to a network"
    if isinstance(error, errors.EntryNotFoundError):
        return f"the repository has no {name}; it needs {CARD_NAME} and {STEM}.safetensors or {STEM}.onnx"
    return f"the Hugging Face Hub did not do it ({' '.join(str(error).split())[:200]}); try again later"


def _why_not_uploaded(error: Exception) -> str:
    """As _why, for an upload."""
    from huggingface_hub import constants, errors

    if constants.HF_HUB_OFFLINE or isinstance(error, errors.OfflineModeIsEnabled):
        return "nothing was uploaded, because HF_HUB_OFFLINE is set: run with HF_HUB_OFFLINE=0"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403, 404) or isinstance(error, errors.LocalTokenNotFoundError):
        return (
            "the Hub does not allow this upload; check the name and log in with a token that may write: hf auth login"
        )
    return f"the Hugging Face Hub did not take it ({' '.join(str(error).split())[:200]}); try again later"
