#!/bin/sh
# Resolve pyproject.toml afresh and write the versions to requirements.lock.
set -eu
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3.11 -m venv "$work/venv"
"$work/venv/bin/python" -m pip install --quiet torch==2.13.0
"$work/venv/bin/python" -m pip install --quiet 'setuptools>=77' '.[book,lab,test,cluster]'
{
    echo "# Every version of a working environment (Python 3.11 to 3.13): pip install -r requirements.lock"
    echo "# Made by 'make lock' from pyproject.toml with the extras book, lab, test and cluster."
    "$work/venv/bin/python" -m pip freeze --all |
        grep -vE '^(pip|nodelib)(=| )' | sed 's/^\(torch==[0-9.]*\)+cpu$/\1/'
} > requirements.lock.part
mv requirements.lock.part requirements.lock
