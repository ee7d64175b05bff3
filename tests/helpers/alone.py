"""Start the app as it ships, compare two example photos over the loopback, and say what came; for a machine without
network and with a home that cannot be written: python tests/helpers/alone.py

The app's output is printed if anything goes wrong.
"""

from __future__ import annotations

import socket
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import httpx

from demo.examples import load_examples

START_SECONDS, ROOT = 240, Path(__file__).parents[2]
META = {"_type": "gradio.FileData"}


def network() -> bool:
    """Whether another computer could be reached."""
    try:
        socket.create_connection(("192.0.2.1", 80), timeout=1).close()
    except TimeoutError:
        return True
    except OSError:
        return False
    return True


def home_is_writable() -> bool:
    """Whether a file can be put into the home folder."""
    try:
        tempfile.TemporaryFile(dir=Path.home()).close()
    except OSError:
        return False
    return True


def compare(address: str) -> dict:
    """The answer of /verify about the first example."""
    example = load_examples()[0]
    with httpx.Client(base_url=address, trust_env=False, timeout=60) as client:
        client.get("/").raise_for_status()
        sides = []
        for picture in (example.first[0], example.second[0]):
            answer = client.post("gradio_api/upload", files={"files": (f"{picture.row_id}.webp", picture.encoded)})
            sides.append([{"path": answer.json()[0], "meta": META}])
        event = client.post("gradio_api/call/verify", json={"data": [*sides, "base", 0.001]}).json()["event_id"]
        text = client.get(f"gradio_api/call/verify/{event}").text
    if "event: complete" not in text:
        raise SystemExit(f"no answer: {text}")
    return httpx.Response(200, text=text.rpartition("data: ")[2]).json()[0]


def main() -> int:
    """Print a line; 1 if the app did not start or answer."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    app = subprocess.Popen(
        [sys.executable, "app.py", "--port", str(port)],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    try:
        for _ in range(START_SECONDS):
            try:
                httpx.get(f"http://127.0.0.1:{port}/", trust_env=False, timeout=30)
                break
            except httpx.HTTPError:
                time.sleep(1)
        answer = compare(f"http://127.0.0.1:{port}/")
    finally:
        app.terminate()
        output = app.communicate(timeout=30)[0]
    if "Traceback" in output:
        print(output, file=sys.stderr)
        return 1
    around = f"network: {'yes' if network() else 'none'}, home: {'writable' if home_is_writable() else 'read-only'}"
    print(f"{around}; {answer['decision']}, score {answer['score']:.3f}; the app ended with {app.returncode}")
    return app.returncode


if __name__ == "__main__":
    sys.exit(main())
