#!/bin/sh
# Bring what everything else needs: git, and in .venv exactly the Python packages of requirements.lock; with the word
# `product` those of requirements.run.lock, when .venv has no tools for tests yet: what runs needs none of them.
# Idempotent, safe to run twice at once, and quick when there is nothing to do.
set -eu

root=$(CDPATH='' cd -- "$(dirname -- "$0")/.." && pwd)
cd "$root"
uv=uv==0.13.9
installed=.venv/requirements.installed # a copy of the lock file that .venv was made from
lock=requirements.lock
if [ "${1:-}" = product ] && ! grep -qs '^pytest==' "$installed"; then lock=requirements.run.lock; fi
export UV_PYTHON_DOWNLOADS=never UV_NO_MANAGED_PYTHON=1 PIP_DISABLE_PIP_VERSION_CHECK=1
# uv brings certificates of its own; the system's hold those of a company's proxy, too
for store in /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/ca-bundle.pem; do
  [ ! -s "$store" ] || export UV_SYSTEM_CERTS="${UV_SYSTEM_CERTS:-1}"
done

say() { printf 'bootstrap: %s\n' "$*"; }
refuse() {
  printf 'bootstrap: %s\n' "$@" >&2
  exit 1
}
is_done() { [ -x .venv/bin/python ] && cmp -s "$lock" "$installed" && command -v git >/dev/null; }

may_install() { [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; }
apt_install() {
  say "installing $* (apt)"
  DEBIAN_FRONTEND=noninteractive
  export DEBIAN_FRONTEND
  { apt-get update -qq && apt-get install -y -qq --no-install-recommends "$@"; } </dev/null >"$log" 2>&1 ||
    refuse "apt-get could not install $*; its last lines:" "$(tail -n 5 "$log")"
}

# 3.11 of any patch level; a newer one than 3.14 is untried, and may have no wheels of what is locked
is_fit() { "$1" -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 14))' 2>/dev/null; }
find_python() { # prints the interpreter itself: a pyenv shim or an active venv would puzzle uv
  for name in python3 python3.13 python3.12 python3.11 python3.14; do
    if command -v "$name" >/dev/null && is_fit "$name"; then
      "$name" -c 'import sys; print(getattr(sys, "_base_executable", "") or sys.executable)'
      return
    fi
  done
}
ensure_python() { # sets python, or leaves it empty for uv to bring one; maker is whoever can install uv
  python=$(find_python)
  if [ -z "$python" ] && ! command -v python3 >/dev/null && may_install; then
    apt_install python3 python3-venv
    python=$(find_python)
  fi
  maker=${python:-$(command -v python3 || true)}
  [ -n "$maker" ] || refuse_pythons "There is none."
}
refuse_pythons() {
  refuse "Slipway needs Python 3.11, 3.12, 3.13 or 3.14, and python3 is $(python3 --version 2>/dev/null || echo none). $*" \
    "Install one (Debian 12 and 13, Ubuntu 24.04: sudo apt-get install python3 python3-venv; elsewhere: pyenv install" \
    "3.13, or https://www.python.org/downloads/), put it on PATH as python3 or python3.13, and run this again."
}

bring_python() { # into .slipway; harmless when it is there already
  say "python3 is $(python3 --version 2>&1); asking uv for Python 3.13"
  export UV_PYTHON_INSTALL_DIR="$root/.slipway/python" UV_PYTHON_DOWNLOADS=manual UV_NO_MANAGED_PYTHON=0
  .slipway/uv/bin/uv python install --no-bin 3.13 >"$log" 2>&1 ||
    refuse_pythons "uv cannot bring one:" "$(tail -n 1 "$log" | sed 's/^[^:]*: *//')"
  python=$(.slipway/uv/bin/uv python find --managed-python 3.13)
}

ensure_git() {
  command -v git >/dev/null && return
  may_install || refuse "git is missing. Install it (Debian, Ubuntu: sudo apt-get install git), and run this again."
  apt_install git
}

ensure_venv_module() {
  "$maker" -c 'import ensurepip, venv' 2>/dev/null && return
  package=$("$maker" -c 'import sys; print("python%d.%d-venv" % sys.version_info[:2])')
  may_install || refuse "$maker cannot make virtual environments. Install $package (Debian, Ubuntu:" \
    "sudo apt-get install $package), and run this again."
  apt_install "$package"
}

ensure_uv() {
  case "$(.slipway/uv/bin/uv --version 2>/dev/null)" in # "uv 0.1.2 (platform)"
  "uv ${uv#*==}" | "uv ${uv#*==} "*) return ;;
  esac
  say "installing $uv"
  "$maker" -m venv --clear .slipway/uv
  .slipway/uv/bin/python -m pip install --quiet "$uv" >"$log" 2>&1 ||
    refuse "pip could not install $uv; its last lines:" "$(tail -n 5 "$log")"
}

ensure_packages() {
  rm -f "$installed" # from here to the end .venv is neither the old nor the new
  if ! { [ -x .venv/bin/python ] && is_fit .venv/bin/python; }; then
    rm -rf .venv
    .slipway/uv/bin/uv venv --quiet --python "$python" .venv
  fi
  say "installing Python packages ($(grep -c '^[a-z].*==' "$lock") locked)"
  # compiled once: where Python may not write bytecode, each start would compile everything anew
  .slipway/uv/bin/uv pip sync --quiet --require-hashes --compile-bytecode --python .venv/bin/python "$lock"
  cp "$lock" "$installed.new"
  mv "$installed.new" "$installed"
}

is_done && exit 0
mkdir -p -m 700 .slipway && mkdir -p .slipway/logs
log=.slipway/logs/bootstrap.log
if command -v flock >/dev/null; then
  exec 9>.slipway/bootstrap.lock
  flock -n 9 || { say "another run is at it; waiting" && flock 9; }
  is_done && exit 0
fi
ensure_git
ensure_python
ensure_venv_module
ensure_uv
[ -n "$python" ] || bring_python
say "using $("$python" --version) at $python"
ensure_packages
say "ready"
