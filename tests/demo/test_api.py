"""The public endpoints of the running app: right answers, refusals in one sentence, and a manual that is true."""

from __future__ import annotations

import base64
import contextlib
import inspect
import io
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import gradio as gr
import numpy as np
import pandas as pd
import pytest
from gradio.utils import get_function_description
from gradio_client import Client, handle_file
from gradio_client.exceptions import AppError
from helpers.drawn_people import drawn, save_drawn
from helpers.evaluation_data import ColourEmbedder
from helpers.explorer_data import make_report
from helpers.paths import ASSETS, ROOT, SYNTHETIC
from helpers.waiting import wait_for
from PIL import Image

import app
from demo.api import faces, reports, tools
from demo.api.endpoints import NAMES
from demo.api.photo_argument import Attached
from sfpn.errors import UserError
from sfpn.photos.detector import FaceDetector

REPORT = ASSETS / "reports" / "synthetic-base"
SNIPPETS = re.findall(r"^```python\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text(), re.M | re.S)
HUGE = 10**300


@dataclass
class Running:
    """The app with one bundled model, the drawn people and a report on them, and a client of it."""

    page: gr.Blocks
    client: Client
    uploads: Path

    def ask(self, name: str, *args: Any, **kwargs: Any) -> Any:
        return self.client.predict(*args, api_name=f"/{name}", **kwargs)


@pytest.fixture(scope="module")
def running(tmp_path_factory) -> Iterator[Running]:
    uploads = tmp_path_factory.mktemp("uploads")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("GRADIO_TEMP_DIR", str(uploads))
        with contextlib.suppress(UserError):  # without the protocol's package, only the test of agents is left out
            tools.serve_tools()
        page = app.build(app.load(app.parse(["--model", "base", "--report", str(REPORT)])))
        page.queue(**app.queue_settings())
        with_tools = hasattr(tools.GradioMCPServer, "StreamableHTTPSessionManager")
        page.launch(**app.launch_settings(), prevent_thread_lock=True, quiet=True, mcp_server=with_tools)
        yield Running(page, Client(page.local_url, verbose=False, analytics_enabled=False), uploads)
        page.close()


def data_address(picture: bytes) -> str:
    return "data:image/png;base64," + base64.b64encode(picture).decode()


def check_plain(value: Any) -> None:
    """No NaN, no infinity."""
    json.dumps(value, allow_nan=False)


def test_every_argument_and_answer_is_described(running):
    for name in NAMES:
        handler = next(fn for fn in running.page.fns.values() if fn.api_name == name)
        description, arguments, returns = get_function_description(handler.fn)
        assert description.count(".") >= 3 and "error" in description and len(returns) == 1, name
        assert set(arguments) == set(inspect.signature(handler.fn).parameters) and all(arguments.values()), name
        assert not any("  " in text for text in (description, *arguments.values(), *returns)), name
    described = running.client.view_api(return_format="dict")["named_endpoints"]
    assert set(described) == {f"/{name}" for name in NAMES}


def test_detect_says_what_the_detector_finds(running, tmp_path):
    file = save_drawn(tmp_path / "a.png", "profile")
    with Image.open(file) as opened:
        (known,) = FaceDetector().detect(opened.convert("RGB"))
    for given in (handle_file(file), data_address(file.read_bytes())):
        found = running.ask("detect", given)
        (face,) = found["faces"]
        assert found["chosen"] == 1 and found["reason"] is None and found["turned_degrees"] == 0
        assert face["box_xyxy"] == pytest.approx(known.box_xyxy, abs=0.06) and face["pose"] == "profile"
        assert np.abs(np.array(face["landmarks_xy"]) - known.landmarks_xy).max() < 0.06
        assert face["yaw_degrees"] == pytest.approx(known.yaw_degrees, abs=0.06) and face["usable"] is True
    assert [path for path in running.uploads.rglob("*") if path.is_file()] == []


def test_detect_says_why_there_is_no_face(running):
    buffer = io.BytesIO()
    Image.new("RGB", (64, 48), "teal").save(buffer, "PNG")
    found = running.ask("detect", data_address(buffer.getvalue()))
    assert found["faces"] == [] and found["chosen"] is None and "one colour" in found["reason"]
    assert found["size"] == [64, 48]


def test_the_product_of_two_embeddings_is_the_score(running):
    one, other = data_address(drawn("frontal")), data_address(drawn("profile"))
    answer = running.ask("verify", [one], [other])
    embeddings = [running.ask("embed", photo) for photo in (one, other)]
    vectors = np.array([each["embedding"] for each in embeddings])
    assert vectors.shape == (2, embeddings[0]["dimensions"])
    assert np.linalg.norm(vectors, axis=1) == pytest.approx([1, 1], abs=1e-5)
    assert vectors[0] @ vectors[1] == pytest.approx(answer["score"], abs=1e-5)
    assert answer["pose_pair"] == ["frontal", "profile"] and embeddings[1]["face"]["pose"] == "profile"


class Broken(ColourEmbedder):
    def embed(self, crops):
        return np.full((len(crops), 4), np.nan, np.float32)


def test_an_embedding_that_is_no_number_is_refused():
    with pytest.raises(gr.Error, match="NaN or infinity"):
        faces.embed({"broken": Broken()}, FaceDetector(), Attached("a.png", drawn("frontal")), "broken", 0)


def test_samples_are_those_of_the_files(running):
    known = pd.concat(pd.read_parquet(file) for file in sorted(SYNTHETIC.glob("data*.parquet")))
    chosen = known[(known["pose"] == "profile") & known["yaw_degrees"].between(-80, -70)]
    found = running.ask("search_samples", pose=["profile"], yaw_from=-80, yaw_to=-70, limit=100)
    assert found["total"] == len(chosen) > 10 and found["row_ids"] == chosen["row_id"].tolist()[:100]
    first = chosen.iloc[0]
    sample = found["samples"][0]
    assert set(sample) == set(known.columns) - {"image"}
    assert sample["yaw_degrees"] == pytest.approx(first["yaw_degrees"], abs=1e-5)
    assert sample["box_xyxy"] == pytest.approx(list(first["box_xyxy"]), abs=1e-4)
    check_plain(found)


def test_pages_of_samples_follow_each_other(running):
    people = {"identity": ["syn-0001", "syn-0002"]}
    everything = running.ask("search_samples", **people, limit=100)
    pages = [running.ask("search_samples", **people, limit=7, offset=start)["row_ids"] for start in (0, 7, 14)]
    assert sum(pages, []) == everything["row_ids"][:21]
    assert {sample["identity"] for sample in everything["samples"]} == set(people["identity"])
    assert running.ask("search_samples", **people, offset=10**6)["row_ids"] == []


@pytest.mark.parametrize("treatment", ["whole_image", "skip", "reject"])
def test_pose_errors_are_those_of_the_report_file(running, treatment):
    stored = json.loads((REPORT / "report.json").read_text())
    answer = running.ask("pose_errors", treatment=treatment)
    check_plain(answer)
    assert answer["report"] == answer["reports"][0] and answer["model"] == stored["header"]["model"]
    assert len(answer["cells"]) == 6
    for cell in answer["cells"]:
        key = "-".join(cell["pose_pair"])
        (known,) = (c for c in stored["cells"] if (c["pose_pair"], c["fold"], c["template_size"]) == (key, None, 1))
        rates = known["treatments"].get(treatment, known["treatments"]["whole_image"])
        for name in ("genuine", "impostor"):
            assert cell[name] == rates[name]
        for name in ("eer", "eer_low", "eer_high"):
            assert cell[name] == pytest.approx(rates[name], abs=1e-6)
        for point, kept in zip(cell["fnmr_at_fmr"], rates["operating_points"], strict=True):
            for name, value in point.items():
                assert value == (pytest.approx(kept[name], abs=1e-6) if kept[name] is not None else None), name


@pytest.mark.parametrize("treatment", ["whole_image", "skip", "reject"])
def test_the_error_map_is_that_of_the_report(tmp_path, treatment):
    report = make_report(tmp_path)
    assert "pose_map" not in reports.pose_errors({"one": report})
    found = reports.pose_errors({"one": report}, treatment=treatment, with_pose_map=True)["pose_map"]
    check_plain(found)
    table = pd.read_parquet(tmp_path / "colour-0-0" / "pose_map.parquet")
    table = table[table["treatment"] == "whole_image"]  # faces that were not found have no pose here: all are one
    assert set(report.pose_map.points) == {"whole_image"}
    edges = report.pose_map.yaw_edges, report.pose_map.pitch_edges
    assert len(found["cells"]) * len(found["points"]) == len(table) > 4
    for cell in found["cells"]:
        column, row = edges[0].index(cell["yaw_degrees"][0]), edges[1].index(cell["pitch_degrees"][0])
        lines = table[(table["column"] == column) & (table["row"] == row)]
        for rates, (_, line) in zip(cell["rates"], lines.iterrows(), strict=True):
            assert cell["genuine"] == line["genuine"] and cell["images"] == line["images"]
            for name, value in rates.items():
                assert value == (None if pd.isna(line[name]) else pytest.approx(line[name], abs=1e-6)), name
    old = replace(report, pose_map=None)
    assert reports.pose_errors({"one": old}, with_pose_map=True)["pose_map"] is None


def test_samples_are_chosen_by_pitch(running):
    known = pd.concat(pd.read_parquet(file) for file in sorted(SYNTHETIC.glob("data*.parquet")))
    found = running.ask("search_samples", pitch_from=5, pitch_to=9, limit=100)
    chosen = known[known["pitch_degrees"].between(5, 9)]
    assert found["total"] == len(chosen) > 10 and found["row_ids"] == chosen["row_id"].tolist()[:100]


def test_worst_pairs_are_those_of_the_table(running):
    stored = json.loads((REPORT / "report.json").read_text())["cells"]
    number = [(c["pose_pair"], c["fold"], c["template_size"]) for c in stored].index(("frontal-profile", None, 1))
    table = pd.read_parquet(REPORT / "hardest.parquet")
    for kind, order in (("genuine", ["profile", "frontal"]), ("impostor", ["frontal", "profile"])):
        known = table[(table["cell"] == number) & (table["kind"] == kind)].head(5)
        answer = running.ask("worst_pairs", order, kind, limit=5)
        assert [(p["row_id_a"], p["row_id_b"]) for p in answer["pairs"]] == list(
            zip(known["row_id_a"], known["row_id_b"], strict=True)
        )
        assert [p["score"] for p in answer["pairs"]] == pytest.approx(known["score"].tolist(), abs=1e-6)
        assert answer["pose_pair"] == ["frontal", "profile"] and answer["dataset_loaded"] is True


PHOTO = data_address(drawn("frontal"))
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("verify", {"photos_a": [], "photos_b": [PHOTO]}, "the first side has no photo"),
    ("verify", {"photos_a": [PHOTO] * 11, "photos_b": [PHOTO]}, "give at most 10"),
    ("verify", {"photos_a": [PHOTO], "photos_b": [PHOTO], "model": "nope"}, "'nope' is not here; there are base"),
    ("verify", {"photos_a": [PHOTO], "photos_b": [PHOTO], "fmr": 0.5}, "it has 0.01"),
    ("verify", {"photos_a": ["/etc/passwd"], "photos_b": [PHOTO]}, r"photos_a\[0\]: this is no photo"),
    ("verify", {"photos_a": [{"path": "/etc/passwd"}], "photos_b": [PHOTO]}, "was not uploaded here"),
    ("detect", {"photo": "http://127.0.0.1:9/a.png"}, "this is no photo"),
    ("detect", {"photo": "data:image/png;base64,%%%"}, "not base64"),
    ("detect", {"photo": "data:image/png,abc"}, "not base64"),
    ("detect", {"photo": "data:;base64,"}, "empty file"),
    ("detect", {"photo": "data:;base64," + base64.b64encode(b"no picture").decode()}, "not a picture"),
    ("detect", {"photo": None}, "there is none"),
    ("detect", {"photo": 5}, "this is no photo"),
    ("embed", {"photo": PHOTO, "face": 2}, "there is no face 2"),
    ("embed", {"photo": PHOTO, "face": -1}, "face: -1 is not a whole number"),
    ("search_samples", {"pose": ["side"]}, "pose: 'side' is not here; there are frontal"),
    ("search_samples", {"pose": 3}, "pose: give a list of names"),
    ("search_samples", {"identity": [["a"]]}, r"identity: \['a'\] is not here"),
    ("search_samples", {"identity": ["<script>"]}, "and 48 more"),
    ("search_samples", {"limit": 101}, "limit: 101 is not a whole number from 1 to 100"),
    ("search_samples", {"limit": 1.5}, "limit: 1.5"),
    ("search_samples", {"limit": HUGE}, "limit: this is not a whole number"),
    ("search_samples", {"limit": True}, "limit: True"),
    ("search_samples", {"yaw_from": "left"}, "yaw_from: 'left' is not a number from -90 to 90"),
    ("search_samples", {"pitch_from": None}, "pitch_from: None is not a number from -90 to 90"),
    ("pose_errors", {"with_pose_map": "yes"}, "with_pose_map: 'yes' is neither true nor false"),
    ("search_samples", {"yaw_to": 91}, "yaw_to: 91"),
    ("search_samples", {"offset": -1}, "offset: -1"),
    ("pose_errors", {"report": "../../etc"}, "report: '../../etc' is not here; there are base"),
    ("pose_errors", {"template_size": 7}, "template_size: this report has 1"),
    ("pose_errors", {"treatment": "hide"}, "treatment: 'hide' is not here; there are whole_image"),
    ("worst_pairs", {"pose_pair": ["frontal"]}, "not a list of two poses"),
    ("worst_pairs", {"pose_pair": "frontal-profile"}, "not a list of two poses"),
    ("worst_pairs", {"pose_pair": ["frontal", "profile"], "kind": "both"}, "there are genuine, impostor"),
    ("worst_pairs", {"pose_pair": ["frontal", "profile"], "limit": 51}, "from 1 to 50"),
]


@pytest.mark.parametrize(("name", "given", "words"), REFUSED, ids=[f"{n}-{i}" for i, (n, _, _) in enumerate(REFUSED)])
def test_what_cannot_be_done_is_one_sentence(running, name, given, words):
    with pytest.raises(AppError, match=words) as raised:
        running.ask(name, **given)
    assert "\n" not in str(raised.value) and len(str(raised.value)) < 400
    assert [path for path in running.uploads.rglob("*") if path.is_file()] == []


def test_a_photo_does_not_stay_in_the_session(running):
    running.ask("detect", PHOTO)
    kept = [str(state.config_values) for state in running.page.state_holder.session_data.values()]
    assert kept
    assert not any(PHOTO[100:160] in text for text in kept)


def test_without_dataset_and_reports_it_says_so():
    from demo.api.reports import pose_errors
    from demo.api.samples import search_samples

    with pytest.raises(gr.Error, match="has no dataset: start it with --dataset"):
        search_samples(None)
    with pytest.raises(gr.Error, match="has no report: start it with --report"):
        pose_errors({})


def test_the_examples_of_the_page_run(running, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    save_drawn(tmp_path / "a.jpg", "frontal")
    save_drawn(tmp_path / "b.jpg", "profile")
    assert len(SNIPPETS) == 1 + len(NAMES)
    names: dict[str, Any] = {}
    for snippet in SNIPPETS:
        exec(snippet.replace("http://127.0.0.1:7860", running.page.local_url), names)  # noqa: S102
        if "print" in snippet:
            assert capsys.readouterr().out.strip(), snippet
    score = float(np.dot(names["one"], names["other"]))
    assert score == pytest.approx(names["answer"]["score"], abs=1e-4) and len(names["worst"]["pairs"]) == 5


def test_an_agent_uses_the_tools(running):
    mcp = pytest.importorskip("mcp", reason="needs mcp, of a version below 2")
    if not hasattr(tools.GradioMCPServer, "StreamableHTTPSessionManager"):
        pytest.skip("needs mcp of a version below 2")
    from mcp.client.streamable_http import streamablehttp_client

    config = re.search(r"^```json\n(.*?)^```$", (ROOT / "docs" / "api.md").read_text(), re.M | re.S)
    assert config is not None
    (server,) = json.loads(config[1])["mcpServers"].values()
    address = server["url"].replace("http://127.0.0.1:7860/", running.page.local_url)

    async def talk() -> tuple[Any, dict[str, Any]]:
        calls: dict[str, dict[str, Any]] = {
            "verify": {"photos_a": [PHOTO], "photos_b": [PHOTO]},
            "detect": {"photo": PHOTO},
            "embed": {"photo": PHOTO},
            "search_samples": {"pose": ["profile"], "limit": 1},
            "pose_errors": {},
            "worst_pairs": {"pose_pair": ["profile", "frontal"], "limit": 1},
        }
        async with streamablehttp_client(address) as (read, write, _), mcp.ClientSession(read, write) as session:
            await session.initialize()
            listed = (await session.list_tools()).tools
            answers = {name: await session.call_tool(name, given) for name, given in calls.items()}
            answers["refused"] = await session.call_tool("detect", {"photo": "http://127.0.0.1:9/a.png"})
            return listed, answers

    listed, answers = wait_for(talk())
    assert {tool.name for tool in listed} == set(NAMES)
    for tool in listed:
        assert "Returns: An object" in tool.description
        assert all(field.get("description") for field in tool.inputSchema["properties"].values()), tool.name
    refused = answers.pop("refused")
    assert refused.isError and "this is no photo" in refused.content[0].text
    objects = {name: json.loads(answer.content[0].text) for name, answer in answers.items()}
    assert objects["verify"]["match"] is True and objects["detect"]["faces"][0]["pose"] == "frontal"
    assert len(objects["embed"]["embedding"]) == objects["embed"]["dimensions"]
    assert objects["search_samples"]["samples"][0]["pose"] == "profile"
    assert len(objects["pose_errors"]["cells"]) == 6 and len(objects["worst_pairs"]["pairs"]) == 1


def test_without_the_protocol_the_option_says_what_to_install(monkeypatch, capsys):
    monkeypatch.setattr(tools, "find_spec", lambda name: None)
    assert app.main(["--mcp"]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and "--mcp" in error and "pip install" in error
