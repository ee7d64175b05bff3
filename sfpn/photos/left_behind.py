"""Names that systems and programs leave in folders of photos: no photo of anybody, and no person's folder."""

from __future__ import annotations

NAMES = frozenset(
    {
        "@eadir",  # Synology, QNAP
        "@recycle",
        "@recently-snapshot",
        "@tmp",
        "#recycle",
        "#snapshot",
        "__macosx",  # macOS
        "icon\r",
        "network trash folder",
        "temporary items",
        "thumbs.db",  # Windows
        "ehthumbs.db",
        "ehthumbs_vista.db",
        "desktop.ini",
        "$recycle.bin",
        "recycler",
        "recycled",
        "system volume information",
        "lost+found",  # Linux
        "__pycache__",
    }
)
STARTS = (".", "~$")  # hidden: .DS_Store, ._name.jpg, .ipynb_checkpoints, .Trash-1000, .git; an open Office file
ENDS = ("~", ":zone.identifier", ".part", ".crdownload")  # backup copies, Windows' download marks, unfinished downloads


def left_by_computer(name: str) -> bool:
    """Whether a file or folder of this name (without its path) was left by a computer and not put there by a person."""
    lower = name.lower()
    return lower in NAMES or lower.startswith(STARTS) or lower.endswith(ENDS)
