#!/bin/sh
# Make a virtual environment hold jaxmeta (editable) and the packages of one task.
#
#   scripts/environment.sh FOLDER PYTHON NEEDS
#
# NEEDS is a dependency group of pyproject.toml, or "demo", which is an extra. Installs by
# uv where that works, else by venv and pip.
set -eu

folder=$1
python=$2
needs=$3
here=$(dirname "$0")
log=$folder/install-$needs.log

case $needs in
    demo) requirements="-e .[demo]" ;;
    *) requirements="-e . --group $needs" ;;
esac

by_uv() { uv --version >/dev/null 2>&1; }

create() {
    interpreter=$("$here/interpreter.sh" "$python")
    echo "setting up $folder with $("$interpreter" --version)"
    rm -rf "$folder"
    if by_uv && uv venv --quiet --python "$interpreter" "$folder"; then
        return
    fi
    if ! "$interpreter" -m venv "$folder"; then
        rm -rf "$folder"
        echo "'$interpreter -m venv' failed; on Debian: apt install python3-venv" >&2
        exit 1
    fi
}

install_by_uv() {
    # Where torch has a CPU build, pip is the one that has been told.
    [ "$needs" != bench-torch ] && by_uv && uv pip install --python "$folder/bin/python" $requirements
}

install_by_pip() {
    # An environment made by uv has no pip; --group came with pip 25.1.
    "$folder/bin/python" -m pip --version >/dev/null 2>&1 ||
        "$folder/bin/python" -m ensurepip || return
    "$folder/bin/python" -m pip install --upgrade "pip>=25.1" || return
    "$folder/bin/python" -m pip install $requirements
}

"$folder/bin/python" -c "" 2>/dev/null || create
echo "installing jaxmeta and what '$needs' needs into $folder"
# uv may be there and still not reach what pip is set up to reach.
if ! { install_by_uv || install_by_pip; } >"$log" 2>&1; then
    cat "$log" >&2
    echo "installing failed; the lines above are also in $log" >&2
    exit 1
fi
touch "$folder/.has-$needs"
