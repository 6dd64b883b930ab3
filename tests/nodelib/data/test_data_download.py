import errno
import hashlib
import json
import os
import threading
import time
from dataclasses import replace
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest
import requests
import wfdb

from nodelib import data
from nodelib.data import status
from nodelib.data.find import acquisition, download, network, sources
from nodelib.errors import ChecksumError, DataError, OfflineError


class Server:
    """A web server on this machine: what it has, what it was asked, and how it misbehaves."""

    def __init__(self, directory):
        self.directory = directory
        self.asked = []
        self.fault = None
        self.released = threading.Event()
        server = self

        class Handler(SimpleHTTPRequestHandler):
            def __init__(self, *args):
                super().__init__(*args, directory=str(directory))

            def do_GET(self):
                name = self.path.rpartition("/")[2]
                server.asked.append(name)
                if server.fault == "cut" and name.endswith(".bin"):
                    content = (directory / name).read_bytes()
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(content)))
                    self.end_headers()
                    self.wfile.write(content[: len(content) // 2])
                    self.close_connection = True
                elif server.fault == "error":
                    self.send_error(503)
                elif server.fault == "stall":
                    self.send_response(200)
                    self.send_header("Content-Length", "1000")
                    self.end_headers()
                    self.wfile.write(b"half")
                    self.wfile.flush()
                    server.released.wait(5)
                elif server.fault == "login":
                    self.send_response(200)
                    self.send_header("Content-Type", "text/html")
                    self.end_headers()
                    self.wfile.write(b"<html>\n<title>Please log in</title>\n</html>")
                elif server.fault == "loop" or (server.fault == "moved" and "new" not in self.path):
                    self.send_response(302)
                    where = self.path if server.fault == "loop" else f"/new{self.path}"
                    self.send_header("Location", where)
                    self.end_headers()
                else:
                    super().do_GET()

            def log_message(self, *args):
                pass

        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self.http.server_port}/"
        threading.Thread(target=self.http.serve_forever, daemon=True).start()

    def put(self, name, content):
        (self.directory / name).write_bytes(content)
        return hashlib.sha256(content).hexdigest()


@pytest.fixture
def network_state(monkeypatch, tmp_path):
    """No host known yet, no host but the one asked for, no waiting between tries."""
    monkeypatch.setattr(network, "_answers", {})
    monkeypatch.setattr(network, "HOSTS", ())
    monkeypatch.setattr("pooch.core.time.sleep", lambda seconds: None)
    monkeypatch.delenv("NODELIB_OFFLINE", raising=False)
    monkeypatch.delenv("NODELIB_DATA", raising=False)
    monkeypatch.setenv("NODELIB_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def server(network_state, tmp_path):
    (tmp_path / "www").mkdir()
    server = Server(tmp_path / "www")
    yield server
    server.released.set()
    server.http.shutdown()
    server.http.server_close()


def names(directory):
    return sorted(path.name for path in directory.iterdir())


def test_files_arrive_whole_and_are_not_asked_for_twice(server, tmp_path):
    files = {name: server.put(name, name.encode() * 9) for name in ("a.bin", "b.bin")}
    download.fetch("demo", files, [server.address], tmp_path / "out")
    assert (tmp_path / "out" / "b.bin").read_bytes() == b"b.bin" * 9
    download.fetch("demo", files, [server.address], tmp_path / "out")
    assert server.asked == ["a.bin", "b.bin"]
    assert names(tmp_path / "out") == ["a.bin", "b.bin"]


def test_a_damaged_file_is_fetched_again(server, tmp_path):
    files = {"a.bin": server.put("a.bin", b"right")}
    (tmp_path / "a.bin").write_bytes(b"wrong")
    download.fetch("demo", files, [server.address], tmp_path)
    assert (tmp_path / "a.bin").read_bytes() == b"right"


def test_a_connection_that_is_cut_leaves_no_half_file(server, tmp_path):
    files = {name: server.put(name, b"x" * 100_000) for name in ("a.txt", "b.bin", "c.txt")}
    server.fault = "cut"
    with pytest.raises(DataError, match=r"could not download .*/b\.bin .*nodelib data fetch demo"):
        download.fetch("demo", files, [server.address], tmp_path / "out")
    assert names(tmp_path / "out") == ["a.txt"]
    assert server.asked.count("b.bin") == 1 + download.RETRIES
    server.fault = None
    download.fetch("demo", files, [server.address], tmp_path / "out")
    assert names(tmp_path / "out") == ["a.txt", "b.bin", "c.txt"]
    assert server.asked.count("a.txt") == 1


def test_a_file_with_another_checksum_is_refused_and_removed(server, tmp_path):
    server.put("a.bin", b"tampered")
    files = {"a.bin": hashlib.sha256(b"published").hexdigest()}
    with pytest.raises(ChecksumError, match=r"/a\.bin arrived damaged.*nothing was kept"):
        download.fetch("demo", files, [server.address], tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_server_that_stalls_is_told_and_leaves_no_half_file(server, tmp_path, monkeypatch):
    files = {"a.bin": server.put("a.bin", b"x" * 1000)}
    assert network.reachable(network.host(server.address))
    server.fault = "stall"
    monkeypatch.setattr(download, "TIMEOUT", (1.0, 0.2))
    with pytest.raises(DataError, match=r"could not download .*/a\.bin \(no answer in time\)"):
        download.fetch("demo", files, [server.address], tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_file_that_was_moved_is_fetched_from_its_new_place(server, tmp_path):
    files = {"a.bin": server.put("a.bin", b"right")}
    (server.directory / "new").mkdir()
    (server.directory / "new" / "a.bin").write_bytes(b"right")
    server.fault = "moved"
    download.fetch("demo", files, [server.address], tmp_path / "out")
    assert (tmp_path / "out" / "a.bin").read_bytes() == b"right"


def test_a_file_that_is_redirected_without_end_is_told(server, tmp_path):
    files = {"a.bin": server.put("a.bin", b"right")}
    server.fault = "loop"
    with pytest.raises(DataError, match=r"a\.bin \(it is redirected without end\)"):
        download.fetch("demo", files, [server.address], tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_page_in_place_of_a_file_is_refused_and_removed(server, tmp_path):
    files = {"a.bin": server.put("a.bin", b"right")}
    server.fault = "login"
    with pytest.raises(ChecksumError, match=r"a\.bin arrived damaged, or is a page to log in"):
        download.fetch("demo", files, [server.address], tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_page_in_place_of_the_list_is_not_kept_and_the_next_fetch_is_whole(
    small, server, tmp_path
):
    server.fault = "login"
    with pytest.raises(DataError, match=r"SHA256SUMS\.txt arrived as something else than a list"):
        data.nsrdb()
    assert names(tmp_path / "cache" / "nsrdb") == []
    server.fault = None
    assert data.nsrdb().provenance.completeness == "partial"


def test_a_list_with_line_ends_of_windows_is_read(small, server, tmp_path):
    text = (server.directory / "SHA256SUMS.txt").read_text()
    changed = "\ufeff" + text.replace("\n", "\r\n").replace(" ", "  *") + "\r\n"
    server.put("SHA256SUMS.txt", changed.encode())
    database = data.nsrdb()
    assert "all files match PhysioNet's SHA-256 list" in database.provenance.detail


def test_a_list_in_capital_digits_is_read(small, server):
    text = (server.directory / "SHA256SUMS.txt").read_text()
    lines = [line.partition(" ") for line in text.splitlines()]
    server.put("SHA256SUMS.txt", "".join(f"{v.upper()} {k}\n" for v, _, k in lines).encode())
    assert data.nsrdb().record("16265").samples.tolist() == [5, 9]


def test_a_list_that_is_no_text_is_named(small, server, tmp_path):
    data.nsrdb()
    (tmp_path / "cache" / "nsrdb" / "SHA256SUMS.txt").write_bytes(bytes(range(128, 256)))
    with pytest.raises(DataError, match=r"nsrdb/SHA256SUMS\.txt is not a list of SHA-256 sums"):
        data.nsrdb()


def test_a_cache_with_spaces_and_other_letters_works(small, server, tmp_path, monkeypatch):
    monkeypatch.setenv("NODELIB_CACHE", str(tmp_path / "mon cache é 心"))
    acquisition.downloaded(small, signals=True)
    assert data.nsrdb().record("16265").signals.shape == (500, 1)


def test_a_cache_in_which_nothing_can_be_made_is_told(small, server, tmp_path, monkeypatch):
    makedirs = os.makedirs

    def refuse(path, *args, **kwargs):
        if "cache" in str(path):
            raise OSError(errno.EROFS, "Read-only file system")
        return makedirs(path, *args, **kwargs)

    monkeypatch.setattr(os, "makedirs", refuse)
    with pytest.raises(DataError, match=r"could not write .*Read-only file.*set NODELIB_CACHE"):
        data.nsrdb()


def test_an_error_of_the_server_is_told_with_its_status(server, tmp_path):
    server.fault = "error"
    with pytest.raises(DataError, match=r"could not download .*/a\.bin \(HTTP status 503\)"):
        download.fetch("demo", {"a.bin": "0" * 64}, [server.address], tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_a_host_that_refuses_counts_as_out_of_reach(small, server):
    server.fault = "error"
    assert data.nsrdb().provenance.completeness == "synthetic"
    asked = len(server.asked)
    assert data.nsrdb().provenance.completeness == "synthetic"
    assert len(server.asked) == asked
    server.fault = None
    with pytest.raises(OfflineError, match="cannot download nsrdb"):
        data.nsrdb(allow_standin=False)
    assert list(status.fetch(["nsrdb"]))
    assert data.nsrdb().provenance.completeness == "partial"


def test_a_file_that_the_host_has_not_is_an_error_and_not_a_standin(small, server):
    (server.directory / "16265.atr").unlink()
    with pytest.raises(DataError, match=r"16265\.atr \(HTTP status 404\)"):
        data.nsrdb()


def test_a_disk_that_fills_up_is_told_and_leaves_no_half_file(server, tmp_path, monkeypatch):
    files = {"a.bin": server.put("a.bin", b"x" * 1000)}

    def full(self, chunk_size):
        yield b"half"
        raise OSError(errno.ENOSPC, "No space left on device")

    assert network.reachable(network.host(server.address))
    monkeypatch.setattr(requests.Response, "iter_content", full)
    with pytest.raises(DataError, match=r"disk is full: could not write .*a\.bin.*NODELIB_CACHE"):
        download.fetch("demo", files, [server.address], tmp_path / "out")
    assert names(tmp_path / "out") == []


def test_the_second_address_is_used_when_the_first_does_not_answer(server, tmp_path):
    files = {"a.bin": server.put("a.bin", b"x")}
    download.fetch("demo", files, ["http://127.0.0.1:9/", server.address], tmp_path / "out")
    assert names(tmp_path / "out") == ["a.bin"]


def test_hosts_that_hang_cost_one_wait_together(network_state, monkeypatch):
    monkeypatch.setattr(network, "PATIENCE", 0.4)
    monkeypatch.setattr(network, "HOSTS", ("https://a.invalid", "https://b.invalid"))
    asked = []

    def hang(host, timeout):
        asked.append(host)
        threading.Event().wait(5)

    monkeypatch.setattr(requests, "head", hang)
    start = time.monotonic()
    for host in ("https://a.invalid", "https://b.invalid", "https://a.invalid"):
        assert not network.reachable(host)
    assert time.monotonic() - start < 1.5
    assert sorted(asked) == ["https://a.invalid", "https://b.invalid"]


def test_another_process_believes_the_note_for_ten_minutes(server, monkeypatch, tmp_path):
    host = network.host(server.address)
    note = tmp_path / "cache" / "unreachable.json"
    assert not network.reachable("http://127.0.0.1:9")
    assert json.loads(note.read_text())["hosts"] == ["http://127.0.0.1:9"]
    for age, believed in ((60, True), (3600, False)):
        note.write_text(json.dumps({"time": time.time() - age, "hosts": [host]}))
        monkeypatch.setattr(network, "_answers", {})
        assert network.reachable(host) is not believed
    note.write_text(json.dumps({"time": time.time(), "hosts": [host]}))
    monkeypatch.setattr(network, "_answers", {})
    assert not network.reachable(host)
    assert network.reachable(host, again=True)


@pytest.mark.parametrize("text", ["", "[]", '{"time": "now"}', "{"])
def test_a_broken_note_is_ignored(server, tmp_path, text):
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "unreachable.json").write_text(text)
    assert network.reachable(network.host(server.address))


def test_without_a_network_the_standin_is_used_or_the_reader_told(network_state, monkeypatch):
    monkeypatch.setattr(requests, "head", _unreachable)
    assert data.nsr2db().provenance.completeness == "synthetic"
    with pytest.raises(
        OfflineError, match=r"cannot download nsr2db: https://physionet\.org cannot"
    ):
        data.nsr2db(allow_standin=False)
    with pytest.raises(OfflineError, match="nodelib data fetch mitdb"):
        list(status.fetch(["mitdb"]))


def test_offline_means_that_no_host_is_asked(network_state, monkeypatch):
    asked = []
    monkeypatch.setenv("NODELIB_OFFLINE", "1")
    monkeypatch.setattr(requests, "head", lambda host, timeout: asked.append(host))
    assert data.nsr2db().provenance.completeness == "synthetic"
    with pytest.raises(OfflineError, match="NODELIB_OFFLINE is set"):
        list(status.fetch(["mitdb"]))
    assert asked == []


def _unreachable(host, timeout):
    raise requests.ConnectionError


@pytest.fixture
def small(server, monkeypatch):
    """nsrdb with one record, published by the server with a list of its SHA-256 sums."""
    wfdb.wrsamp(
        "16265",
        fs=128,
        units=["mV"],
        sig_name=["ECG1"],
        p_signal=np.sin(np.arange(500.0))[:, None],
        fmt=["212"],
        write_dir=str(server.directory),
    )
    wfdb.wrann("16265", "atr", np.array([5, 9]), ["N", "V"], write_dir=str(server.directory))
    files = [f"16265{suffix}" for suffix in (".hea", ".atr", ".dat")]
    sums = {file: server.put(file, (server.directory / file).read_bytes()) for file in files}
    server.put("SHA256SUMS.txt", "".join(f"{v} {k}\n" for k, v in sums.items()).encode())
    source = replace(
        sources.get("nsrdb"),
        addresses=(server.address,),
        records=("16265",),
        layouts=(tuple(f"nsrdb/{file}" for file in files),),
    )
    real = sources.get
    monkeypatch.setattr(sources, "get", lambda name: source if name == "nsrdb" else real(name))
    return source


def test_a_set_is_downloaded_verified_by_the_publishers_list_and_read(small, server):
    database = data.nsrdb()
    assert server.asked == ["SHA256SUMS.txt", "16265.hea", "16265.atr"]
    provenance = database.provenance
    assert (provenance.source, provenance.completeness) == ("download from PhysioNet", "partial")
    assert "all files match PhysioNet's SHA-256 list" in provenance.detail
    record = database.record("16265")
    assert record.samples.tolist() == [5, 9]
    assert record.signals is None
    again = data.nsrdb()
    assert (again.provenance.source, again.provenance.sha256) == ("cache", provenance.sha256)
    assert len(server.asked) == 3


def test_whole_signals_come_when_asked_for_and_are_checked_when_read(small, server):
    acquisition.downloaded(small, signals=True)
    database = data.nsrdb()
    assert database.provenance.completeness == "complete"
    assert database.record("16265").signals.shape == (500, 1)
    path = database.files["16265.dat"]
    path.write_bytes(path.read_bytes()[:-3] + b"\1\2\3")
    with pytest.raises(ChecksumError, match=r"16265\.dat is damaged"):
        database.record("16265")
    assert [problem.name for problem in status.check()] == ["nsrdb"]


def test_a_list_that_lacks_a_file_is_refused(small, server):
    server.put("SHA256SUMS.txt", b"0" * 64 + b" 16265.hea\n")
    with pytest.raises(DataError, match=r"SHA256SUMS\.txt does not list 16265\.atr"):
        data.nsrdb()


def test_a_fetch_says_what_it_did(small, server, tmp_path):
    lines = list(status.fetch(["nsrdb"], signals=True))
    assert lines == [f"nsrdb: 3 files in {tmp_path / 'cache' / 'nsrdb'}"]
