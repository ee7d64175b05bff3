"""Fonts, surfaces and style sheet of the app, light and dark. The colours of figures are in demo/common/figures.py."""

from __future__ import annotations

from pathlib import Path

from gradio import themes

STYLE_SHEET = Path(__file__).with_name("style.css")


def make_theme() -> themes.Base:
    """A quiet theme whose fonts ship with Gradio: nothing is fetched from elsewhere."""
    # Gradio's semi-bold file lacks letters; the regular and the bold one are whole
    sans = (themes.LocalFont("IBM Plex Sans", weights=(400, 700)), "ui-sans-serif", "system-ui", "sans-serif")
    mono = (themes.LocalFont("IBM Plex Mono", weights=(400, 700)), "ui-monospace", "monospace")
    return themes.Base(
        primary_hue=themes.colors.sky,
        neutral_hue=themes.colors.slate,
        radius_size=themes.sizes.radius_md,
        font=sans,
        font_mono=mono,
    ).set(
        body_text_color_subdued="*neutral_500",
        body_text_color_subdued_dark="*neutral_400",
        body_background_fill="*neutral_50",
        body_background_fill_dark="*neutral_950",
        block_background_fill="white",
        block_background_fill_dark="*neutral_900",
        block_border_width="1px",
        block_shadow="none",
        block_label_text_weight="500",
        button_primary_background_fill="#075985",
        button_primary_background_fill_hover="#0369a1",
        button_primary_text_color="white",
        slider_color="#0369a1",
        slider_color_dark="#38bdf8",
    )
