"""A tied process ends with its parent, also at the moments when it could easily miss that end."""

import subprocess
import sys

import psutil
import pytest

PARENT = """
import os, subprocess, sys
code = sys.argv[1].replace("PARENT", str(os.getpid()))
pipe = subprocess.PIPE
child = subprocess.Popen([sys.executable, "-c", code], stdout=pipe, stdin=pipe)
print(child.pid, flush=True)
print(child.stdout.readline(), flush=True)
sys.stdin.read()
"""
LOADING = """
import os, time
parent = PARENT
print("loading", flush=True)
while os.getppid() == parent:
    time.sleep(0.05)
from nodebook import tether
tether.tie(parent)
time.sleep(120)
"""
IN_NATIVE_CODE = """
import re
from nodebook import tether
tether.tie(PARENT)
print("ready", flush=True)
re.match("(a+)+$", 40 * "a" + "b")  # takes hours, without letting another thread in
"""


def ends_with_its_parent(code):
    """Whether a child that runs ``code`` is gone 15 s after its parent is killed."""
    words = [sys.executable, "-c", PARENT, code]
    with subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as top:
        child = psutil.Process(int(top.stdout.readline()))
        top.stdout.readline()
        top.kill()
    try:
        child.wait(15)
    except psutil.TimeoutExpired:
        child.kill()
        return False
    return True


def test_a_process_whose_parent_died_before_it_was_tied_ends():
    assert ends_with_its_parent(LOADING)


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux ends it from outside")
def test_a_process_in_one_long_native_call_ends_with_its_parent():
    assert ends_with_its_parent(IN_NATIVE_CODE)
