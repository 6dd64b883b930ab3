#!/bin/sh
# Create the virtual environment named by $1 and install the locked versions into it.
set -eu
venv=$1

suits() {
    "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null
}

python=""
for candidate in ${PYTHON:-python3 python3.12 python3.13 python3.11 python}; do
    if command -v "$candidate" >/dev/null && suits "$candidate"; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "No suitable Python: this book needs python3 3.11, 3.12 or 3.13 on the PATH." >&2
    echo "Install one, or name it: make setup PYTHON=/path/to/python3.12" >&2
    exit 1
fi
if ! "$python" -c 'import venv, ensurepip' 2>/dev/null; then
    echo "$python has no venv module: install it (on Debian and Ubuntu: apt install python3-venv)." >&2
    exit 1
fi

# A venv of another Python, or a half-made one, is replaced rather than mended.
if ! [ -x "$venv/bin/python" ] || ! suits "$venv/bin/python"; then
    rm -rf "$venv"
    echo "setup: creating $venv with $("$python" --version)"
    "$python" -m venv "$venv"
fi
rm -f "$venv/.ready"
echo "setup: installing the locked versions (a few minutes the first time)"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check -r requirements.lock
"$venv/bin/python" -m pip install -qq --disable-pip-version-check \
    --no-deps --no-build-isolation --editable .
touch "$venv/.ready"
