# shellcheck shell=bash disable=SC2034,SC2317 # read and called by hack/test-servers and the files of hack/servers.d
# What the servers of hack/servers.d have in common: accounts, ports, processes. Sourced after lib.sh.
#
# hack/servers.d/NAME/server sets and defines, with USERNAME, PASSWORD, DATABASE, PORT and FOLDER given:
#   SOURCE, PACKAGES, PROGRAMS   where it comes from in words, Debian packages, programs that must be there
#   PLACES                       folders besides PATH that hold the programs (patterns)
#   OPTIONAL                     not empty: CI may lack it
#   provide                      builds the programs into OUTPUT, where no Debian package has them
#   serve                        makes what it needs below FOLDER and launches it
#   admits PASSWORD              whether the server lets the user in with it: right after the start it may say no
#   traces                       whether the server itself says that it refused a login (its log, unless it counts elsewhere)
#   OPEN                         not empty: a server without any login
#   variables                    prints `NAME=value` lines for the tests
#   SIGNAL, PATIENCE             how it is ended (TERM), seconds until it must be ready (60)

SERVERS=$REPOSITORY/hack/servers.d
STATE=${KOAN_TEST_SERVERS_STATE:-/tmp/koan-test-servers.$(id -u)}
USERNAME=koan
DATABASE=shop
# As root, servers run under this account, as the tests' own do.
ACCOUNT=koan-tests
STARTS=3

names() { find "$SERVERS" -mindepth 2 -maxdepth 2 -name server -printf '%h\n' | sed 's|.*/||' | sort; }

# load NAME: the server's file, in a subshell of the caller.
load() {
  NAME=$1 SOURCE='' PACKAGES=() PROGRAMS=() PLACES=() OPTIONAL='' OPEN='' OUTPUT='' SIGNAL=TERM PATIENCE=60
  FOLDER=$STATE/$NAME
  provide() { return 1; }
  # shellcheck source=/dev/null
  . "$SERVERS/$NAME/server"
}

# program NAME: its path, from the build, PATH or PLACES.
program() {
  local folder
  # shellcheck disable=SC2068,SC2086 # patterns
  for folder in ${OUTPUT:+"$OUTPUT"} ${PLACES[@]} ${PATH//:/ } /usr/sbin; do
    if [ -x "$folder/$1" ]; then
      printf '%s\n' "$folder/$1"
      return
    fi
  done
  return 1
}

available() {
  local name
  for name in "${PROGRAMS[@]}"; do program "$name" >/dev/null || return 1; done
}

# account: who runs the servers; as root made where it is missing. PostgreSQL refuses root.
account() {
  [ "$(id -u)" != 0 ] || getent passwd $ACCOUNT >/dev/null || useradd --no-create-home --home-dir /nonexistent --shell /usr/sbin/nologin $ACCOUNT
}
owner() { if [ "$(id -u)" = 0 ]; then id -u $ACCOUNT; else id -u; fi; }

# as_account COMMAND...: with an environment of its own; VARIABLES is a list of further NAME=value.
as_account() {
  local drop=() uid
  uid=$(owner)
  [ "$(id -u)" != 0 ] || drop=(setpriv "--reuid=$uid" "--regid=$(id -g $ACCOUNT)" --clear-groups)
  exec env -i PATH="$PATH:/usr/sbin" HOME="$FOLDER/data" LANG=C.UTF-8 KOAN_TEST_SERVER="$NAME@$STATE" \
    "${VARIABLES[@]}" "${drop[@]}" "$@"
}
VARIABLES=()
# prepare COMMAND...: to its end, two minutes at most.
prepare() { (cd "$FOLDER/data" && as_account timeout 120 "$@") >>"$FOLDER/log" 2>&1 </dev/null; }

# give FILE: what stdin says, readable by the account alone.
give() {
  (umask 077 && cat >"$1")
  [ "$(id -u)" != 0 ] || chown "$ACCOUNT:" "$1"
}

# launch COMMAND...: in the background, in a session of its own; its id and its start are remembered.
launch() {
  (cd "$FOLDER/data" && as_account setsid nohup "$@") >>"$FOLDER/log" 2>&1 </dev/null 9>&- &
  printf '%s %s\n' $! "$(started $!)" >>"$FOLDER/processes"
}

# started PID: its start in ticks since boot, which tells it from a later process with the same id.
started() { sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20; }
lives() { ! process_gone "$1" && [ "$(started "$1")" = "$2" ]; }

running() { [ -f "$FOLDER/environment" ] && all_live; }

# free_port: a port of loopback that nobody listens on now; below the range of outgoing connections.
free_port() {
  local port
  for _ in {1..100}; do
    port=$((20000 + RANDOM % 12000))
    if ! grep -qi ":$(printf '%04X' $port) " /proc/net/tcp /proc/net/tcp6 2>/dev/null; then
      printf '%s\n' $port
      return
    fi
  done
  fail "no free port between 20000 and 32000" "see what listens: ss -ltn"
}

secret() { (set +o pipefail && tr -dc A-Za-z0-9 </dev/urandom | head -c 28); }

# start: one server, on another port where somebody was quicker; false when it cannot be had.
start() {
  local lines
  if running; then return; fi
  available || return 1
  for _ in $(seq $STARTS); do
    stop
    mkdir -p "$STATE" "$FOLDER/data"
    chmod 755 "$STATE" "$FOLDER" && chmod 700 "$FOLDER/data"
    [ "$(id -u)" != 0 ] || chown "$ACCOUNT:" "$FOLDER/data"
    : >"$FOLDER/log"
    PORT=$(free_port) PASSWORD=$(secret)
    (umask 077 && printf '%s\n' "$PASSWORD" >"$FOLDER/password")
    if serve && ready; then
      lines=$({ echo "LOG=$FOLDER/log" && variables; } | sed "s/^/export KOAN_TEST_${NAME^^}_/")
      (umask 077 && printf '%s\n' "$lines" >"$FOLDER/environment")
      return
    fi
    say "$NAME did not start on port $PORT:"
    tail -n 5 "$FOLDER/log" >&2
  done
  stop
  return 1
}

# ready: until the user is let in, PATIENCE seconds at most; false at once when a process of it ended.
ready() {
  local deadline=$((SECONDS + PATIENCE))
  until admits "$PASSWORD" >/dev/null 2>&1; do
    all_live && [ $SECONDS -lt $deadline ] || return 1
    sleep 0.1
  done
}
all_live() {
  local pid start
  while read -r pid start; do lives "$pid" "$start" || return 1; done <"$FOLDER/processes"
}

# stop: all its processes, the last one first: the signal, then KILL for it and its group; then its folder.
stop() {
  local pid start
  [ -d "$FOLDER" ] || return 0
  if [ -f "$FOLDER/processes" ]; then
    while read -r pid start; do
      lives "$pid" "$start" || continue
      kill "-$SIGNAL" "$pid" 2>/dev/null || true
      wait_for 20 "end of $NAME ($pid)" process_gone "$pid" || { kill -KILL -- "-$pid" 2>/dev/null || true; }
      wait_for 5 "end of $NAME ($pid) after KILL" process_gone "$pid" || true
    done < <(tac "$FOLDER/processes")
  fi
  rm -rf "$FOLDER"
}

# says PORT TEXT: what a line-based server answers to TEXT within 3 seconds or until it says a line that matches $3.
says() {
  local line answer='' reader
  exec {reader}<>"/dev/tcp/127.0.0.1/$1" || return 1
  printf '%b' "$2" >&"$reader"
  while IFS= read -r -t 3 line <&"$reader"; do
    answer+=$line$'\n'
    [[ ! "$line" =~ $3 ]] || break
  done
  exec {reader}>&-
  printf '%s' "$answer"
}

# get URL [CURL-ARGUMENT...]: the status of an answer.
status_of() { curl -s --noproxy '*' --max-time 5 -o /dev/null -w '%{http_code}' "$@"; }
