#!/bin/sh
# Makes the virtual environment of an image: python.sh LOCK HOME, into HOME/venv. Run it in the project's directory.
#
# Each package is what the lock says, by its hash. The project itself stays the files that files.sh has put into HOME:
# Dagster looks for its components beside the project's dg.toml.
set -eu

lock=$1
home=$2

# uv stays outside: what installs is no part of what runs.
builder=$(mktemp -d)
trap 'rm -rf "$builder"' EXIT
python3 -m venv "$builder"
"$builder/bin/python" -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-bootstrap.txt

python3 -m venv --without-pip "$home/venv"
# Compiled here: a container may write nothing, and would do it anew at each start.
"$builder/bin/uv" pip sync --quiet --compile-bytecode --python "$home/venv/bin/python" --require-hashes "$lock"
"$builder/bin/uv" pip install --quiet --python "$home/venv/bin/python" --no-deps --no-build-isolation --editable "$home"
"$home/venv/bin/python" -m compileall -q "$home/platform" "$home/streaming"
