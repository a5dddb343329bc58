# shellcheck shell=bash
# Shared by the scripts of hack/ and .ci/: where things are kept, how they are downloaded, how long is waited.
# Sourced, never run. Data goes to stdout, talk to stderr.

shopt -s inherit_errexit
REPOSITORY=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/koan-ci
export REPOSITORY CACHE
mkdir -p "$CACHE"

say() { printf '%s\n' "$*" >&2; }

# fail WHAT [REMEDY]: ends the script with one line that names the thing and one that names the way out.
fail() {
  say "error: $1"
  [ -z "${2:-}" ] || say "hint: $2"
  exit 1
}

# wait_for SECONDS WHAT COMMAND...: polls COMMAND every 0.1 s; false after SECONDS.
wait_for() {
  local seconds=$1 what=$2 i
  shift 2
  for ((i = 0; i < seconds * 10; i++)); do
    if "$@" >/dev/null 2>&1; then return 0; fi
    sleep 0.1
  done
  say "$what: not there after $seconds s"
  return 1
}

# with_lock NAME COMMAND...: one holder of a cache entry at a time; waits 30 minutes at most.
with_lock() {
  local name=$1
  shift
  mkdir -p "$CACHE/locks"
  (
    flock -w 1800 9 || fail "the lock $CACHE/locks/$name is held for over 30 minutes" "see which process holds it: fuser $CACHE/locks/$name"
    "$@" 9>&-
  ) 9>"$CACHE/locks/$name"
}

# keep_services_down: Debian packages must not start what they install; a policy that is there already is kept.
keep_services_down() {
  [ -e /usr/sbin/policy-rc.d ] || { printf '#!/bin/sh\nexit 101\n' >/usr/sbin/policy-rc.d && chmod 755 /usr/sbin/policy-rc.d; }
}

# debian PACKAGE...: installs those that are missing, without recommended packages and without starting anything.
debian() {
  local package missing=()
  for package in "$@"; do
    [ "$(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null || true)" = installed ] || missing+=("$package")
  done
  [ ${#missing[@]} -gt 0 ] || return 0
  [ "$(id -u)" = 0 ] || fail "Debian packages are missing: ${missing[*]}" "as root: apt-get install --no-install-recommends ${missing[*]}"
  say "installing ${missing[*]}"
  keep_services_down
  with_lock apt install_debian "${missing[@]}" >&2
}

# Ten minutes for the index and for the packages, each.
install_debian() {
  local apt=(timeout 600 apt-get -qq -o DPkg::Lock::Timeout=300 -o Dpkg::Use-Pty=0)
  export DEBIAN_FRONTEND=noninteractive
  "${apt[@]}" update || say "apt-get update failed; going on with the package lists at hand"
  "${apt[@]}" install -y --no-install-recommends "$@" >/dev/null
}

# is_ours PID WORD: true when PID lives and its command line holds WORD (a pid alone proves nothing).
is_ours() {
  # No pipe into `grep -q`: it ends early, and pipefail would take the writer's SIGPIPE for "no".
  [ -n "$1" ] && [ -r "/proc/$1/cmdline" ] && [[ "$(tr '\0' ' ' <"/proc/$1/cmdline" 2>/dev/null)" == *"$2"* ]]
}

# stop_pid PIDFILE WORD SECONDS: TERM, then KILL after SECONDS; only a process whose command line holds WORD.
stop_pid() {
  local pid
  pid=$(cat "$1" 2>/dev/null || true)
  if is_ours "$pid" "$2"; then
    kill "$pid" 2>/dev/null || true
    wait_for "$3" "end of process $pid ($2)" process_gone "$pid" || kill -9 "$pid" 2>/dev/null || true
    wait_for 5 "end of process $pid after KILL" process_gone "$pid" || true
  fi
  rm -f "$1"
}

# A zombie counts as gone: its parent may be a shell that never waits.
process_gone() {
  [ ! -e "/proc/$1/stat" ] || [ "$(sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -c1)" = Z ]
}

# rust_environment: what cargo needs on a fresh machine, and where it builds. Never committed as configuration: a
# developer's own linker and target directory win.
rust_environment() {
  debian gcc libc6-dev mold git ca-certificates curl
  export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$CACHE/target}
  export CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS=${CARGO_TARGET_X86_64_UNKNOWN_LINUX_GNU_RUSTFLAGS:--C link-arg=-fuse-ld=mold}
  export CARGO_TERM_COLOR=${CARGO_TERM_COLOR:-never}
  claim_target
}

# claim_target: clones share the target directory for what they depend on, but tests carry the path of their own clone,
# which cargo does not notice: what another clone built of the repository's own crates is made to look old.
claim_target() {
  local owner=$CARGO_TARGET_DIR/koan-repository
  mkdir -p "$CARGO_TARGET_DIR"
  [ "$(cat "$owner" 2>/dev/null || true)" != "$REPOSITORY" ] || return 0
  find "$REPOSITORY" -name target -prune -o -name .git -prune -o -name '*.rs' -exec touch {} +
  echo "$REPOSITORY" >"$owner"
}

# system_account: the account under which servers of the process engine run when Koan is root (ENG-17).
system_account() {
  getent passwd koan >/dev/null || useradd --system --home-dir /var/lib/koan --no-create-home --shell /usr/sbin/nologin koan
}

# Steps of a check: each runs to its end, so that one run shows every failure. `step NAME COMMAND...`, then `steps_done`.
FAILED_STEPS=()
step() {
  local name=$1 started=$SECONDS
  shift
  say "── $name"
  if "$@"; then say "── $name: ok ($((SECONDS - started)) s)"; else
    say "── $name: FAILED ($((SECONDS - started)) s)"
    FAILED_STEPS+=("$name")
  fi
}

steps_done() {
  [ ${#FAILED_STEPS[@]} -eq 0 ] || { say "failed: $(printf '%s, ' "${FAILED_STEPS[@]}" | sed 's/, $//')" && return 1; }
}
