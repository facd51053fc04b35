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
    if by_uv; then
        uv venv --quiet --python "$interpreter" "$folder"
    elif ! "$interpreter" -m venv "$folder"; then
        echo "'$interpreter -m venv' failed; on Debian: apt install python3-venv" >&2
        exit 1
    fi
}

install() {
    if by_uv; then
        uv pip install --python "$folder/bin/python" $requirements
    else
        # --group came with pip 25.1.
        "$folder/bin/python" -m pip --version >/dev/null 2>&1 ||
            "$folder/bin/python" -m ensurepip
        "$folder/bin/python" -m pip install --upgrade "pip>=25.1"
        "$folder/bin/python" -m pip install $requirements
    fi
}

"$folder/bin/python" -c "" 2>/dev/null || create
echo "installing jaxmeta and what '$needs' needs into $folder"
if ! install >"$log" 2>&1; then
    cat "$log" >&2
    echo "installing failed; the lines above are also in $log" >&2
    exit 1
fi
touch "$folder/.has-$needs"
