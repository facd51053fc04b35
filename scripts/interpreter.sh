#!/bin/sh
# Print the path of a Python interpreter of version 3.11 or newer.
#
#   scripts/interpreter.sh [NAME]      NAME as in python3.13; python3 when left out
#
# A name on PATH counts only if it runs: pyenv puts shims there for versions that are
# not switched on. Then pyenv's own versions are looked through, then what uv knows.
# A plain "python3" that is too old gives way to a newer python3.x.
set -u

name=${1:-python3}

# The path of the interpreter behind a name, if it runs and is new enough.
accepted() {
    "$1" -c 'import sys; print(sys.executable if sys.version_info >= (3, 11) else "")' \
        2>/dev/null </dev/null
}

try() {
    found=$(accepted "$1") && [ -n "$found" ] && echo "$found" && exit 0
}

pyenv_versions() {
    root=${PYENV_ROOT:-$(pyenv root 2>/dev/null)}
    root=${root:-$HOME/.pyenv}
    for folder in "$root/versions/${1#python}"*; do
        [ -x "$folder/bin/$1" ] && try "$folder/bin/$1"
    done
}

search() {
    try "$1"
    case $1 in python3.*) pyenv_versions "$1" ;; esac
    known=$(uv python find --no-project "$1" 2>/dev/null) && try "$known"
}

search "$name"
if [ "$name" = python3 ]; then
    for minor in 14 13 12 11; do search "python3.$minor"; done
fi

echo "No Python interpreter '$name' of version 3.11 or newer was found:" \
    "neither on PATH nor among pyenv's or uv's versions." \
    "Name one that exists, as in: make test PYTHON=python3.12" >&2
exit 1
