"""Work that several ask for at once is done once, and nothing of it is kept; large photos are decoded one by one."""

from __future__ import annotations

import io
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest
from helpers.drawn_people import drawn, drawn_image
from helpers.small_models import save_random_model
from PIL import Image

import app
from demo.common.at_once import AT_WORK, LARGE_PIXELS, Shared, large_alone
from demo.verify.photos import SeenPhoto, see
from demo.verify.result import compare_photos
from sfpn.errors import UserError
from sfpn.photos import photo
from sfpn.photos.detector import FaceDetector


def asked_at_once(shared, makes):
    """What each gets who asks for 'a' while the first one is at work."""
    started = threading.Event()

    def ask(number, make):
        if number:
            started.wait(5)
        return shared.share("a", lambda: (started.set(), time.sleep(0.2), make())[2])

    with ThreadPoolExecutor(len(makes)) as pool:
        return [pool.submit(ask, *given) for given in enumerate(makes)]


def test_it_is_made_once_and_not_kept():
    shared, made = Shared(), []

    def make():
        made.append(object())
        return made[-1]

    answers = [future.result() for future in asked_at_once(shared, [make] * 5)]
    assert len(made) == 1 and all(answer is made[0] for answer in answers)
    assert shared._running == {}
    assert shared.share("a", make) is made[1]
    assert shared.share("b", lambda: 3) == 3


def test_an_error_is_everybodys_and_not_kept():
    shared = Shared()

    def fail():
        raise UserError("no face")

    for future in asked_at_once(shared, [fail] * 3):
        with pytest.raises(UserError, match="no face"):
            future.result()
    assert shared.share("a", lambda: 1) == 1


def test_photos_of_other_names_or_contents_are_not_confused():
    detector = FaceDetector()
    given = [("a.png", "frontal"), ("b.png", "frontal"), ("a.png", "profile")] * 2
    with ThreadPoolExecutor(6) as pool:
        seen = list(pool.map(lambda each: see(detector, each[0], drawn(each[1])), given))
    assert [(photo.name, photo.face.pose) for photo in seen] == given
    assert AT_WORK._running == {}


def test_large_photos_wait_for_each_other_and_small_ones_for_none():
    inside, most = [], []

    def work(pixels):
        with large_alone(pixels):
            inside.append(pixels)
            most.append(sum(each >= LARGE_PIXELS for each in inside))
            time.sleep(0.02)
            inside.remove(pixels)

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(work, [LARGE_PIXELS, 10] * 8))
        assert max(most) == 1
        with large_alone(LARGE_PIXELS):
            assert pool.submit(work, 10).result(5) is None


def test_a_photo_is_decoded_once_for_its_faces_and_a_comparison(tmp_path, monkeypatch):
    """Again only for a face that is chosen later."""
    save_random_model(tmp_path / "random.safetensors")
    loaded = app.load(app.parse(["--model", str(tmp_path / "random.safetensors")]))
    decoded, real = [], photo._decode
    monkeypatch.setattr(photo, "_decode", lambda *given: decoded.append(given) or real(*given))
    two = Image.new("RGB", (640, 320), "gray")
    for number in range(2):
        two.paste(drawn_image("frontal", number).resize((300, 300)), (10 + 320 * number, 10))
    buffer = io.BytesIO()
    two.save(buffer, "PNG")
    one, other = see(loaded.detector, "a.png", buffer.getvalue()), see(loaded.detector, "b.jpg", drawn("profile"))

    def crop(first: SeenPhoto) -> bytes:
        comparison = compare_photos(loaded.models, loaded.detector, (first,), (other,), "random", 0.001)
        return comparison.sides[0].crops[0].tobytes()

    ahead = crop(one)
    assert len(decoded) == 2 and crop(one) == ahead and len(decoded) == 2
    assert crop(replace(one, crops={})) == ahead and len(decoded) == 3
    chosen = one.with_face(1 - one.chosen)
    assert crop(chosen) != ahead and len(decoded) == 4
    assert crop(chosen.with_face(one.chosen)) == ahead and one.with_face(one.chosen) is one
