"""Addresses of files on the pages: whatever letters the folder's name has, the app serves the picture."""

from __future__ import annotations

import io
from collections.abc import Callable
from urllib.parse import unquote, urlsplit

import gradio as gr
import httpx
import pytest
from helpers.evaluation_data import write_dataset
from helpers.waiting import wait_for
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from starlette.middleware import Middleware

from demo.common.dataset_view import DatasetView
from demo.common.embedding_store import EmbeddingStore
from demo.common.gate import Book, Gate
from demo.common.own_sets import Sets
from demo.common.page import Page
from demo.common.pictures import file_address
from demo.common.plotly_view import PLOTLY_JS, PlotlyView
from demo.common.points import points_of
from demo.common.rules import Rules
from demo.common.sample_html import grid_html
from sfpn.data.dataset import FaceDataset

NAMES = ["my#tmp%20?x", "100%", "a&b;c=d", "quotes'\"<i>", "C:set", "für {} +", "per%23cent"]


@pytest.fixture(scope="module", params=NAMES)
def view(request, tmp_path_factory) -> DatasetView:
    folder = tmp_path_factory.mktemp("addresses") / request.param
    dataset = FaceDataset.open(write_dataset(folder / "drawn"))
    return DatasetView.open(dataset, folder / "thumbnails")


@pytest.fixture(scope="module")
def get(view) -> Callable[[str], httpx.Response]:
    """Asks the app in this process, with addresses as a browser sends them."""
    gr.set_static_paths([view.thumbnails])
    with Page() as page:
        page.own_sets = Sets(EmbeddingStore(view, {}))
        gr.HTML("")
        PlotlyView()
    gate = Middleware(Gate, rules=Rules(frozenset({"app"})), book=Book())
    transport = httpx.ASGITransport(gr.routes.App.create_app(page, app_kwargs={"middleware": [gate]}))

    async def answer(address: str) -> httpx.Response:
        async with httpx.AsyncClient(transport=transport, base_url="http://app") as client:
            return await client.get(address)

    return lambda address: wait_for(answer(address))


def test_thumbnails_are_served(view, get):
    row_id = view.rows.index[0]
    html = grid_html(view, [row_id])
    assert f'src="{view.address(row_id)}"' in html
    answer = get("/" + view.address(row_id))
    assert answer.status_code == 200 and Image.open(io.BytesIO(answer.content)).format == "JPEG"


def test_thumbnails_of_hovered_points_are_served(view, get):
    position = 1
    answer = get(points_of(view)["thumbnail"].replace("{}", str(position), 1))
    made = view.thumbnail_file(view.rows.index[position])
    assert answer.status_code == 200 and answer.content == made.read_bytes()


@pytest.mark.parametrize("name", ["{mark}-9999.jpg", "f{mark}-1.jpg", "{mark}-x.jpg", "..", "a.jpg"])
def test_other_names_in_the_folder_of_thumbnails_are_not_there(view, get, name):
    assert get("/" + file_address(view.thumbnails / name.format(mark=view.mark))).status_code in (403, 404)


def test_the_script_of_the_figures_is_served(get):
    components = get("/config").json()["components"]
    address = next(
        part["props"]["props"]["plotly_js"] for part in components if "plotly_js" in part["props"].get("props", ())
    )
    answer = get(f"/gradio_api/file={address}")
    assert answer.status_code == 200 and len(answer.content) == PLOTLY_JS.stat().st_size


@given(st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_path_is_one_path_of_an_address(path):
    parts = urlsplit("http://host/" + file_address(path))
    assert not parts.query and not parts.fragment and unquote(parts.path) == f"/gradio_api/file={path}"
    assert not set(file_address(path)) & set("<>\"'&{} ")
