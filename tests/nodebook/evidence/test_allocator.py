"""Memory that is freed stays with the process, where the C library is glibc."""

import ctypes
import os
import subprocess
import sys

import pytest

from nodebook.evidence import allocator, recording, registry

FAULTS = """
import resource
import sys
import torch
from nodebook.evidence import allocator

torch.set_num_threads(1)
if sys.argv[1] == "kept":
    print(allocator.keep_freed_memory())
for turn in range(20):
    if turn == 10:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    parts = [torch.full((5_000_000,), float(turn)) for _ in range(8)]  # 20 MB each
    del parts
print(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
"""

glibc = pytest.mark.skipif(
    sys.platform != "linux" or not hasattr(ctypes.CDLL(None), "gnu_get_libc_version"),
    reason="the C library is not glibc",
)


def faults(how):
    """What it prints where every array would be fetched from the system (glibc learns not to)."""
    command = [sys.executable, "-c", FAULTS, how]
    surroundings = {**os.environ, "MALLOC_MMAP_THRESHOLD_": "131072"}
    told = subprocess.run(command, check=True, capture_output=True, text=True, env=surroundings)
    return told.stdout.split()


@glibc
def test_freed_arrays_are_used_again_and_not_fetched_anew():
    told, kept = faults("kept")
    assert told == "True"
    assert int(kept) < 100
    assert int(faults("usual")[0]) > 1000


def test_elsewhere_nothing_is_done(monkeypatch):
    monkeypatch.setattr(allocator.sys, "platform", "darwin")
    assert not allocator.keep_freed_memory()


def test_it_is_done_before_runs_are_recorded(monkeypatch, tmp_path):
    done = []
    monkeypatch.setattr(registry.allocator, "keep_freed_memory", lambda: done.append("kept"))
    monkeypatch.setattr(recording, "check_writable", lambda _: done.append("checked"))
    registry.record("latent_ode", variants=[])
    assert done == ["checked", "kept"]
