"""Sentences for the visitor, and data inside Markdown: what comes from a dataset, report, card or address is escaped.

It may hold anything; on the page it is text, never markup.
"""

from __future__ import annotations

import re
from html import escape

import gradio as gr

MARKUP = re.compile(r"[\\`*_\[\]<>&~$|#!\"']")


def notices_html(sentences: list[str]) -> str:
    """Sentences that say what was refused and why."""
    return "".join(f'<div class="notice" role="alert">{escape(sentence)}</div>' for sentence in sentences)


def in_markdown(text: object) -> str:
    """Text for the inside of a line of Markdown, as it reads: no character of it is taken for markup or HTML."""
    line = " ".join(str(text).split())
    return MARKUP.sub(lambda found: f"&#{ord(found[0])};", line)


def warn(sentence: str) -> None:
    """Show a warning in the corner of the page; Gradio would take HTML in it for HTML."""
    gr.Warning(escape(sentence))
