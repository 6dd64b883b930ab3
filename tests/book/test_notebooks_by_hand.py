"""The ways to open and run a notebook that README names, without the project's own commands."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import nbformat
import pytest

from nodebook import paths

QUICK = "10_gru_ode_bayes"
"""A chapter that takes seconds."""


@pytest.mark.notebook
def test_papermill_runs_a_notebook_with_a_seed(tmp_path):
    out = tmp_path / "out.ipynb"
    call = ["-m", "papermill", f"notebooks/{QUICK}.ipynb", str(out), "-p", "seed", "1"]
    subprocess.run([sys.executable, *call], cwd=paths.root(), check=True, capture_output=True)
    cells = nbformat.read(out, as_version=4).cells
    (injected,) = [c for c in cells if "injected-parameters" in c.metadata.get("tags", [])]
    assert "seed = 1" in injected.source
    assert any(c.get("outputs") for c in cells)


@pytest.fixture
def lab(tmp_path):
    """JupyterLab on the notebooks, as ``make lab`` opens it but for the browser."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    call = [sys.executable, "-m", "jupyter", "lab", "notebooks", "--no-browser", "--allow-root"]
    options = [f"--port={port}", "--ServerApp.port_retries=0", "--IdentityProvider.token=key"]
    with (tmp_path / "log").open("w") as log:
        server = subprocess.Popen(
            [*call, *options], cwd=paths.root(), stdout=log, stderr=subprocess.STDOUT
        )
        try:
            yield lambda path: ask(f"http://127.0.0.1:{port}/{path}", server, tmp_path / "log")
        finally:
            server.terminate()
            server.wait(timeout=30)


def ask(address, server, log):
    """The JSON that an address gives, as soon as the server answers."""
    for _ in range(240):
        assert server.poll() is None, log.read_text()
        try:
            with urllib.request.urlopen(f"{address}&token=key", timeout=60) as answer:
                return json.load(answer)
        except urllib.error.URLError:
            time.sleep(0.5)
    raise AssertionError(log.read_text())


def test_jupyterlab_opens_a_source_as_a_notebook(lab):
    found = lab(f"api/contents/{QUICK}.py?type=notebook&content=1")
    assert found["type"] == "notebook"
    kinds = {cell["cell_type"] for cell in found["content"]["cells"]}
    assert kinds == {"code", "markdown"}


def test_the_extensions_of_jupyterlab_fit_it():
    call = [sys.executable, "-m", "jupyter", "labextension", "list"]
    listed = subprocess.run(call, check=True, capture_output=True, text=True).stderr
    for name in ("jupyterlab-myst", "jupyterlab-jupytext"):
        (line,) = [line for line in listed.splitlines() if f"{name} v" in line]
        assert "enabled" in line
        assert "OK" in line
