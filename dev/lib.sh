# What every script in dev/ shares: places, versions, messages. Sourced by bash, never run.
# shellcheck shell=bash

ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/weir
# Tools live outside the checkout, one folder a version, so that a fresh clone does not pay for them again.
TOOLS=$CACHE/tools
# What setup found, for the other scripts: see `dev/setup --print-env`.
ENV_FILE=$ROOT/.weir/env

WASM=wasm32-unknown-unknown
# 0.8.7 is the release line of the `worker` crate in Cargo.toml: both must agree.
WORKER_BUILD_VERSION=0.8.7
CARGO_DENY_VERSION=0.20.2
CARGO_DEB_VERSION=3.8.0
CARGO_FUZZ_VERSION=0.13.1
MDBOOK_VERSION=0.5.4

say() { printf '%s [%3ds] %s\n' "${0##*/}:" "$SECONDS" "$*" >&2; }
die() { printf '%s error: %s\n' "${0##*/}:" "$*" >&2; exit 1; }
have() { command -v "$1" >/dev/null 2>&1; }

# Folder of one installed tool: tool_dir NAME VERSION.
tool_dir() { printf '%s/%s-%s' "$TOOLS" "$1" "$2"; }

# Version of a crate in Cargo.lock. wasm-bindgen's program and crate must be the same release, or it refuses the file.
locked_version() {
  [ -f "$ROOT/Cargo.lock" ] || die "Cargo.lock is missing: run 'cargo generate-lockfile' and commit the file"
  awk -v want="name = \"$1\"" '$0 == want { getline; gsub(/[^0-9.]/, ""); print; exit }' "$ROOT/Cargo.lock"
}

# Runs a long command with its output in a log, and a line every 15 s so that nobody takes it for hung.
# logged NAME COMMAND...
logged() {
  local name=$1 log=$CACHE/log/$1.log pid started=$SECONDS
  shift
  mkdir -p "$CACHE/log"
  say "$name: ..."
  "$@" >"$log" 2>&1 </dev/null &
  pid=$!
  while kill -0 "$pid" 2>/dev/null; do
    sleep 0.2
    if [ $(((SECONDS - started) / 15)) -gt "${tick:-0}" ]; then
      tick=$(((SECONDS - started) / 15))
      say "$name: $(tail -n 1 "$log" | tr -d '\r' | sed 's/^ *//' | cut -c1-90)"
    fi
  done
  tick=0
  if wait "$pid"; then
    say "$name: done in $((SECONDS - started)) s"
  else
    tail -n 20 "$log" >&2
    return 1
  fi
}

# Built in a temporary folder and moved into place, so that a run that was killed leaves no half tool behind.
# The tools run for a second each: building them with optimisation would cost minutes and gain nothing.
cargo_tool() { # NAME VERSION CARGO-FLAGS...
  local name=$1 version=$2 dir
  dir=$(tool_dir "$name" "$version")
  [ -d "$dir" ] && return
  shift 2
  rm -rf "$dir.part"
  logged "cargo-install-$name" env -u RUSTFLAGS -u CARGO_BUILD_TARGET \
    CARGO_TARGET_DIR="$CACHE/build/$name" CARGO_PROFILE_RELEASE_OPT_LEVEL=0 CARGO_PROFILE_RELEASE_LTO=off \
    CARGO_PROFILE_RELEASE_CODEGEN_UNITS=16 CARGO_PROFILE_RELEASE_DEBUG=0 \
    cargo install "$name" --version "$version" --root "$dir.part" "$@" ||
    die "$name $version is missing: 'cargo install $name --version $version' failed, see $CACHE/log/cargo-install-$name.log"
  mv -T "$dir.part" "$dir"
  rm -rf "$CACHE/build/$name"
}

# Runs a function while no other set-up or build of the same kind runs: with_lock FILE FUNCTION ARGS...
# The lock goes with the process, so a killed run leaves none behind.
with_lock() {
  local file=$1 fd
  shift
  mkdir -p "${file%/*}"
  exec {fd}>"$file"
  if ! flock -n "$fd"; then
    say "another run holds ${file##*/}, waiting for it"
    flock "$fd"
  fi
  "$@" {fd}>&-
  exec {fd}>&-
}

# Runs as root: apt-get needs it.
as_root() {
  if [ "$(id -u)" = 0 ]; then "$@"
  elif have sudo; then sudo "$@"
  else die "'$*' needs root, and sudo is missing: run it as root, then this again"; fi
}

apt_install() {
  have apt-get || die "Debian's packages $* are needed, and there is no apt-get: install them yourself"
  export DEBIAN_FRONTEND=noninteractive
  logged "apt-get-update" as_root apt-get -o DPkg::Lock::Timeout=600 update ||
    die "apt-get update failed: see $CACHE/log/apt-get-update.log"
  logged "apt-get-install" as_root apt-get -o DPkg::Lock::Timeout=600 install -y --no-install-recommends "$@" ||
    die "apt-get could not install $*: see $CACHE/log/apt-get-install.log"
}
