"""The repository's own files agree with each other."""

import itertools
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import yaml
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

TOP = Path(__file__).resolve().parents[1]
PROJECT = tomllib.loads((TOP / "pyproject.toml").read_text())["project"]
LOCK = {
    Requirement(line).name.lower().replace("_", "-"): Requirement(line)
    for line in (TOP / "requirements.lock").read_text().splitlines()
    if line and not line.startswith("#")
}


def test_ruff_finds_nothing():
    for command in (["check"], ["format", "--check"]):
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, str(TOP)], capture_output=True, text=True
        )
        assert done.returncode == 0, done.stdout + done.stderr


def test_imports_run_one_way():
    command = [Path(sys.executable).with_name("lint-imports"), "--no-logo", "--no-cache"]
    done = subprocess.run(command, cwd=TOP, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_lock_pins_every_requirement_within_its_range():
    # "bench", the peers of the benchmarks, is for who measures anew: no page and no test needs it
    optional = PROJECT["optional-dependencies"]
    extras = [optional[name] for name in optional if name != "bench"]
    wanted = [*PROJECT["dependencies"], *itertools.chain.from_iterable(extras)]
    for requirement in map(Requirement, wanted):
        pinned = LOCK[requirement.name.lower().replace("_", "-")]
        (pin,) = pinned.specifier
        assert pin.operator == "==", pinned
        assert requirement.specifier.contains(pin.version), (requirement, pinned)


def test_this_environment_is_the_lock():
    from importlib import metadata

    for name in ("torch", "numpy", "wfdb", "jupyter-book", "papermill"):
        (pin,) = LOCK[name].specifier
        assert metadata.version(name).split("+")[0] == pin.version


def test_conda_users_get_the_same_lock_and_a_supported_python():
    environment = yaml.safe_load((TOP / "environment.yml").read_text())
    python = next(d for d in environment["dependencies"] if str(d).startswith("python="))
    assert SpecifierSet(PROJECT["requires-python"]).contains(python.removeprefix("python=") + ".0")
    (pip,) = [d["pip"] for d in environment["dependencies"] if isinstance(d, dict)]
    assert pip == ["-r requirements.lock", "-e ."]


def test_the_address_of_the_repository_is_the_same_everywhere():
    address = PROJECT["urls"]["Repository"]
    assert yaml.safe_load((TOP / "CITATION.cff").read_text())["repository-code"] == address
    for notebook in (TOP / "notebooks").glob("*.py"):
        assert set(re.findall(r"https://github\.com/[\w.-]+/[\w.-]+", notebook.read_text())) <= {
            address
        }


def test_versions_agree():
    import nodelib

    assert nodelib.__version__ == PROJECT["version"]
    assert yaml.safe_load((TOP / "CITATION.cff").read_text())["version"] == PROJECT["version"]
    assert f"## {PROJECT['version']}" in (TOP / "CHANGELOG.md").read_text()


def test_make_alone_lists_the_targets():
    done = subprocess.run(["make", "-C", str(TOP)], capture_output=True, text=True, check=True)
    for target in [
        "setup",
        "book",
        "test",
        "full",
        "data",
        "verify",
        "bench",
        "serve",
        "lab",
        "clean",
    ]:
        assert re.search(rf"make {target}\b", done.stdout), target


def test_every_workflow_is_yaml_with_jobs():
    for path in (TOP / ".github" / "workflows").glob("*.yml"):
        assert yaml.safe_load(path.read_text())["jobs"], path


def test_no_tracked_file_is_over_six_mebibytes():
    done = subprocess.run(
        ["git", "-C", str(TOP), "ls-files", "-z"], capture_output=True, text=True, check=True
    )
    for name in filter(None, done.stdout.split("\0")):
        path = TOP / name
        assert not path.is_file() or path.stat().st_size <= 6 * 2**20, name


def test_the_readme_shows_the_scorecards_headline_rows():
    from nodebook.evidence import scorecard

    assert scorecard.headline().strip() in (TOP / "README.md").read_text()


def setup_says(tmp_path, **programs):
    """Run the setup script with only the given programs on the PATH."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name, script in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{script}\n")
        (folder / name).chmod(0o755)
    return subprocess.run(
        ["/bin/sh", str(TOP / "scripts" / "setup.sh"), str(tmp_path / "venv")],
        env={"PATH": str(folder)},
        cwd=TOP,
        capture_output=True,
        text=True,
    )


def test_setup_says_what_is_missing_without_python(tmp_path):
    done = setup_says(tmp_path)
    assert done.returncode == 1
    assert "needs python3 3.11, 3.12 or 3.13" in done.stderr


def test_setup_says_what_is_missing_with_an_old_python(tmp_path):
    done = setup_says(tmp_path, python3="exit 1")
    assert done.returncode == 1
    assert "needs python3 3.11, 3.12 or 3.13" in done.stderr


def test_setup_says_what_is_missing_without_the_venv_module(tmp_path):
    python = 'case "$2" in *ensurepip*) exit 1;; *) exit 0;; esac'
    done = setup_says(tmp_path, python3=python)
    assert done.returncode == 1
    assert "python3 has no venv module" in done.stderr
    assert not (tmp_path / "venv").exists()


def test_the_example_in_the_readme_runs():
    (code,) = re.findall(r"```python\n(.*?)```", (TOP / "README.md").read_text(), re.DOTALL)
    names = {}
    exec(compile(code, "README.md", "exec"), names)
    assert names["field"][0].weight.grad.abs().sum() > 0
