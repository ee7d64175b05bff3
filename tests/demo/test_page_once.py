"""What a page costs is paid once: its configuration, what a session keeps, the same filter, the files it names."""

from __future__ import annotations

import gradio as gr
import httpx
import pytest
from gradio.data_classes import _StaticFiles
from gradio.state_holder import SessionState
from helpers.evaluation_data import write_dataset
from helpers.small_models import save_random_model
from helpers.visiting import Visitor
from helpers.waiting import wait_for

import app
from demo.common.dataset_view import ANSWERS, LONGEST_QUESTION
from demo.common.page_cache import FORMS, PageCache
from demo.common.plotly_view import PlotlyView
from demo.common.session_state import LeanSession
from demo.explore import tab as explore
from sfpn.data.dataset import FaceDataset


@pytest.fixture(scope="module")
def page(tmp_path_factory):
    folder = tmp_path_factory.mktemp("once")
    save_random_model(folder / "random.safetensors")
    dataset = FaceDataset.open(write_dataset(folder / "data"))
    options = app.parse(["--model", str(folder / "random.safetensors"), "--dataset", str(dataset.folder)])
    built = app.build(app.load(options))
    built.queue(**app.queue_settings())
    built.launch(**app.launch_settings(options), prevent_thread_lock=True, quiet=True)
    yield built
    built.close()


def without_session(answer: httpx.Response) -> tuple:
    return answer.status_code, answer.headers["content-type"], answer.content


@pytest.mark.parametrize("path", ["", "config", "?pair=a,b", "?sample=<b>&__theme=dark"])
def test_the_page_is_the_same_the_second_time_and_each_visitor_gets_a_secret(page, path):
    first, second = (httpx.get(page.local_url + path, trust_env=False, timeout=30) for _ in range(2))
    assert without_session(first) == without_session(second) and first.status_code == 200
    if not path.startswith("config"):
        assert first.cookies["visitor"] != second.cookies["visitor"]
        assert first.headers["content-security-policy"]


def test_handlers_of_one_event_do_not_ask_for_each_other_forever(page):
    """When one that waits for its turn has run, Gradio's page asks for all that belong to the event anew."""
    handlers: dict[tuple, list[dict]] = {}
    for handler in page.config["dependencies"]:
        for component, event in handler["targets"] if handler["backend_fn"] else []:
            handlers.setdefault((component, event), []).append(handler)
    one_by_one = {None} | {c["id"] for c in page.config["components"] if c["type"] == "state"}  # None: a step's next
    shared = {
        event: [handler["api_name"] for handler in found]
        for event, found in handlers.items()
        if len(found) > 1 and event[0] not in one_by_one and any(h["trigger_mode"] == "always_last" for h in found)
    }
    assert len(handlers) > 30
    assert not shared


def test_the_page_names_the_address_that_it_was_asked_by(page):
    port = page.local_url.rstrip("/").rpartition(":")[2]
    roots = {
        name: httpx.get(f"http://{name}:{port}/config", trust_env=False, timeout=30).json()["root"]
        for name in ("127.0.0.1", "localhost", "127.0.0.1")
    }
    assert roots == {name: f"http://{name}:{port}" for name in roots}
    behind = {"X-Forwarded-Host": "faces.example", "X-Forwarded-Proto": "https"}
    assert httpx.get(f"{page.local_url}config", headers=behind, trust_env=False).json()["root"] == (
        "https://faces.example"
    )
    assert httpx.get(f"{page.local_url}config", trust_env=False).json()["root"] == page.local_url.rstrip("/")


def test_only_plain_answers_are_kept_and_few_of_them():
    asked, cache = [], PageCache()

    def answering(status=200, headers=()):
        async def answer(scope, receive, send):
            asked.append(scope["path"])
            await send({"type": "http.response.start", "status": status, "headers": list(headers)})
            await send({"type": "http.response.body", "body": b"page"})

        return answer

    def ask(given, query=b"", host=b"a", method="GET", path="/"):
        sent = []

        async def send(message):
            sent.append(message)

        scope = {"method": method, "query_string": query, "headers": [(b"host", host)], "path": path}
        wait_for(cache.answer(given, scope, None, send, path))
        return len(asked), sent[0]["status"]

    assert [ask(answering()), ask(answering())] == [(1, 200), (1, 200)]
    assert ask(answering(), b"pair=a,b")[0] == 1
    before = len(asked)
    for different in (
        {"query": b"deep_link=x"},
        {"query": b"all_endpoints=1"},
        {"method": "HEAD"},
        {"path": "/gradio_api/info"},
        {"host": b"b"},
    ):
        assert ask(answering(), **different)[0] == (before := before + 1), different
    for given in (answering(500), answering(headers=[(b"Set-Cookie", b"visitor=x")])):
        assert ask(given, host=b"c")[0] == (before := before + 1)
    for number in range(3 * FORMS):
        ask(answering(), host=str(number).encode())
    assert len(cache._kept) == FORMS


def test_a_session_keeps_states_and_no_copy_of_the_page(page):
    lean, full = LeanSession(page), SessionState(page)
    assert isinstance(page.app.state_holder["somebody"], LeanSession) and not lean.config_values
    state = next(number for number, block in page.blocks.items() if isinstance(block, gr.State))
    html = next(number for number, block in page.blocks.items() if isinstance(block, gr.HTML))
    other = gr.HTML("other", render=False)
    for session in (lean, full):
        assert session[state] == page.blocks[state].value and (state in session) and 10**6 not in session
        session[state], session[html] = 7, other
        session._update_value_in_config(html, "a photo")
        session._update_config(html)
        assert session[state] == 7 and session[html] is other and page.blocks[html] is not other
    assert [(block._id, value) for block, value, _ in lean.state_components] == [
        (block._id, value) for block, value, _ in full.state_components
    ]
    assert not lean.config_values and vars(lean).keys() == vars(full).keys()


def test_the_same_filter_is_computed_once_and_looks_the_same(page, monkeypatch):
    view = page.own_sets.bundled.view
    view.answers.clear()
    computed = []
    refresh = explore.refresh

    def counted(*given):
        computed.append(given)
        return refresh(*given)

    monkeypatch.setattr(explore, "refresh", counted)
    facets = explore.clear_facets()._replace(pose=["profile"])
    first = explore.show_filtered(view, *facets)
    for update in first:
        if isinstance(update, dict):
            update.pop("choices", None)  # as Gradio does to what it has sent
    second = explore.show_filtered(view, *facets)
    assert len(computed) == 1
    plain = refresh(view, *facets)
    for name in plain._fields:
        shown, right = getattr(second, name), getattr(plain, name)
        assert list(shown) == list(right) if name == "row_ids" else name in explore.FIGURES or shown == right, name
    for number in range(2 * ANSWERS):
        explore.show_filtered(view, *facets._replace(yaw_low=-number))
    assert len(view.answers) == ANSWERS
    view.answered("x" * (LONGEST_QUESTION + 1), list)
    assert len(view.answers) == ANSWERS


def test_updates_of_a_figure_do_not_make_the_list_of_served_files_longer():
    PlotlyView(render=False)
    before = len(_StaticFiles.all_paths)
    for _ in range(5):
        PlotlyView(render=False)
    assert len(_StaticFiles.all_paths) == before


def test_an_idle_queue_looks_for_work_seldom(page):
    assert page._queue.sleep_when_free >= 0.005 and page._queue.progress_update_sleep_when_free >= 0.05
    assert Visitor(page.local_url).open().status_code == 200
