#!/usr/bin/env bash
# Sourced by the scripts beside it: finds a Python and keeps a virtual environment in step with the
# lock file. Sets $root (the checkout), $venv and $bin (its commands); says one line per step.
# Reads $PYTHON (the only interpreter to try) and $STREETBUMP_VENV (default: .venv).
set -euo pipefail

root="$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)"
venv="${STREETBUMP_VENV:-$root/.venv}"
[[ $venv == /* ]] || venv="$PWD/$venv"
bin="$venv/bin"
cd "$root"

# shellcheck disable=SC2034  # read by scripts/lock: one lock file for each
locked_minors=(3.11 3.12 3.13)
extras="dev,postgres,dask,map,server,plot,gis,osm"  # what the lock files hold beside the core

# Packages of a desktop or of another project must not leak in; nor may pip ask, or leave the venv.
unset PYTHONPATH PYTHONHOME
export PIP_USER=0 PIP_NO_INPUT=1 PIP_DISABLE_PIP_VERSION_CHECK=1 PIP_ROOT_USER_ACTION=ignore

steps=3  # those of set_up; a script adds its own with add_steps
step=0

add_steps() { steps=$((steps + $1)); }

say_step() {
  step=$((step + 1))
  printf '[%d/%d] %s\n' "$step" "$steps" "$*"
}

stop() {
  printf '%s\n' "$*" >&2
  exit 1
}

short() { printf '%s' "${1#"$root"/}"; }

# "3.12", or nothing when $1 is no Python at all.
minor_of() { "$1" -c 'import sys; print("%d.%d" % sys.version_info[:2])' 2>/dev/null || true; }

is_supported() { [[ $1 =~ ^3\.([0-9]+)$ && ${BASH_REMATCH[1]} -ge 11 ]]; }

can_make_venvs() { "$1" -c 'import ensurepip, venv' >/dev/null 2>&1; }

lock_of() { printf 'requirements/py%s.lock' "${1/./}"; }

# Sets $python and $minor: the first interpreter with a lock file, else the first one new enough.
find_python() {
  local candidates=(python3 python3.13 python3.12 python3.11) name found="" seen="" without_venv=""
  [[ -z ${PYTHON:-} ]] || candidates=("$PYTHON")
  python="" minor=""
  for name in "${candidates[@]}"; do
    found="$(minor_of "$name")"
    [[ -n $found ]] || continue
    seen="${seen:-$name is Python $found}"
    is_supported "$found" || continue
    if ! can_make_venvs "$name"; then
      without_venv="${without_venv:-$name}"
      continue
    fi
    [[ -n $python && ! -f $(lock_of "$found") ]] || python="$name" minor="$found"
    [[ ! -f $(lock_of "$minor") ]] || return 0
  done
  [[ -z $python ]] || return 0
  if [[ -n $without_venv ]]; then
    stop "$without_venv on this machine cannot make virtual environments:" \
      "apt-get install python3-venv (Debian, Ubuntu), or set PYTHON to another Python 3.11 or later"
  fi
  stop "streetbump needs Python 3.11 or later (${seen:-no ${candidates[*]} here}):" \
    "install one, or set PYTHON to its path"
}

# Everything that makes an environment out of date when it changes.
fingerprint() {
  local lock="$1"
  {
    printf '%s\n' "$root" "$venv" "$minor" "$extras"
    cat pyproject.toml
    [[ ! -f $lock ]] || cat "$lock"
  } | sha256sum | cut -d' ' -f1
}

# Runs pip quietly; when it fails, shows the end of what it said.
run_pip() {
  if ! "$bin/python" -m pip --quiet "$@" >>"$venv/pip.log" 2>&1; then
    tail -n 15 "$venv/pip.log" >&2
    stop "pip could not install the packages (above); the whole log: $(short "$venv")/pip.log"
  fi
}

# An empty environment at $venv. Only a directory that carries our mark is ever emptied, and none
# that another checkout made and may be at work in: the mark says whose it is.
make_venv() {
  local mark="$venv/.made-by-streetbump-scripts" owner
  if [[ ! -f $mark && -n "$(ls -A "$venv")" ]]; then
    stop "$venv was not made by these scripts: remove it, or set STREETBUMP_VENV to another place"
  fi
  owner="$(cat "$mark" 2>/dev/null || true)"
  if [[ -d $owner && $owner != "$root" && $venv != "$root"/* ]]; then
    stop "$venv belongs to the checkout in $owner: set STREETBUMP_VENV to another place"
  fi
  printf '%s' "$root" >"$mark"
  find "$venv" -mindepth 1 ! -path "$mark" -delete
  if ! "$python" -m venv "$venv" >"$venv/venv.log" 2>&1; then
    stop "$python could not make $(short "$venv"): $(tail -n 1 "$venv/venv.log")"
  fi
}

# A ready environment at $venv: three steps, and nothing to do when nothing changed.
set_up() {
  find_python
  local lock stamp="$venv/.ready" wanted
  lock="$(lock_of "$minor")"
  wanted="$(fingerprint "$lock")"
  mkdir -p "$venv"
  if command -v flock >/dev/null; then
    exec 9<"$venv"
    flock -n 9 || { echo "waiting for another script that is making $(short "$venv")" && flock 9; }
  fi
  if [[ -f $stamp && "$(cat "$stamp")" == "$wanted" ]]; then
    say_step "environment: $(short "$venv"), Python $minor"
    say_step "packages: unchanged"
    say_step "streetbump: from this checkout"
  else
    say_step "environment: making $(short "$venv") with Python $minor"
    make_venv
    if [[ -f $lock ]]; then
      say_step "packages: installing $lock (a minute or so)"
      run_pip install --require-hashes -r "$lock"
      say_step "streetbump: installing from this checkout"
      run_pip install --no-deps --no-build-isolation -e .
    else
      say_step "packages: no $lock, so the newest that pyproject.toml allows (a minute or so)"
      run_pip install -e ".[$extras]"
      say_step "streetbump: installed from this checkout"
    fi
    printf '%s\n' "$wanted" >"$stamp"
  fi
  printf '%s' "$root" >"$venv/.made-by-streetbump-scripts"
  exec 9<&-
}
