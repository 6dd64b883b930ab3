"""What a run was made with: commit, package versions and hardware, without the host's name."""

import importlib.metadata
import os
import platform
import subprocess
from pathlib import Path

import torch

from nodebook import paths

PACKAGES = ("nodelib", "torch", "numpy", "scipy", "pandas", "scikit-learn", "wfdb", "safetensors")
CODE = ("nodelib", "nodebook", "pyproject.toml", "requirements.lock")


def versions(*others: str) -> dict[str, str]:
    """Versions of Python and of the packages that a number can depend on, and of ``others``.

    What is not installed is left out.
    """
    found = {"python": platform.python_version()}
    for package in (*PACKAGES, *others):
        try:
            found[package] = importlib.metadata.version(package)
        except importlib.metadata.PackageNotFoundError:
            continue
    return found


def commit() -> tuple[str, bool | None]:
    """Commit of the checkout, and whether its code has been modified or added to since.

    ``("unknown", None)`` outside a git checkout or without git.
    """
    head = git("rev-parse", "HEAD")
    if head is None:
        return "unknown", None
    changed = git("status", "--porcelain", "--", *CODE)
    return head.strip(), None if changed is None else bool(changed.strip())


def git(*arguments: str) -> str | None:
    """What git prints in the checkout; None without git, or where the command fails.

    The checkout may be somebody else's: its code is being run anyway.
    """
    try:
        done = subprocess.run(
            ["git", "-c", "safe.directory=*", "-C", str(paths.root()), *arguments],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
    except OSError:  # no git, or one that may not be run
        return None
    return done.stdout if done.returncode == 0 else None


def hardware() -> dict[str, str | int | float | None]:
    """CPU model, cores, threads that torch uses, and memory in GiB."""
    return {
        "cpu": _cpu_model(),
        "cores": os.cpu_count() or 1,
        "threads": torch.get_num_threads(),
        "memory_gib": _memory_gib(),
    }


def usable_cores() -> int:
    """The cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _cpu_model() -> str:
    listing = Path("/proc/cpuinfo")
    if listing.is_file():
        for line in listing.read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _memory_gib() -> float | None:
    names = getattr(os, "sysconf_names", {})
    if "SC_PHYS_PAGES" not in names or "SC_PAGE_SIZE" not in names:
        return None
    return round(os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") / 2**30, 1)
