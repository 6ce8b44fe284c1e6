#!/bin/sh
# Drives the region with the unchanged aws CLI and boto3, whose parsers and signers nobody here wrote.
# Usage: run.sh PATH-OF-THE-REGION-BINARY
# Python packages go into a virtual environment outside the clone; it is made once, and again when the pins change.
set -eu

region=${1:?"usage: run.sh PATH-OF-THE-REGION-BINARY"}
here=$(cd "$(dirname "$0")" && pwd)
pins="boto3==1.43.11 awscli==1.45.11"
venv=${XDG_CACHE_HOME:-$HOME/.cache}/berth/venv

fail() {
    echo "contract test: $1" >&2
    exit 1
}

command -v python3 >/dev/null 2>&1 || fail "python3 is missing; install it with: apt-get install python3 python3-venv"

if [ "$(cat "$venv/.pins" 2>/dev/null)" != "$pins" ]; then
    mkdir -p "$(dirname "$venv")"
    (
        flock 9
        if [ "$(cat "$venv/.pins" 2>/dev/null)" != "$pins" ]; then
            python3 -m venv "$venv" || fail "python3 cannot make a virtual environment with pip; install it with: apt-get install python3-venv"
            # The pins are two words on purpose.
            # shellcheck disable=SC2086
            "$venv/bin/python" -m pip install --quiet --disable-pip-version-check $pins ||
                fail "pip could not install $pins; it needs a Python package index"
            echo "$pins" >"$venv/.pins"
        fi
    ) 9>"$venv.lock" || exit 1
fi

exec env PYTHONDONTWRITEBYTECODE=1 "$venv/bin/python" "$here/contract.py" "$region" "$venv/bin/aws"
