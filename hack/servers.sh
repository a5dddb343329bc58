# shellcheck shell=bash disable=SC2034,SC2317 # read and called by hack/test-servers and the files of hack/servers.d
# What the servers of hack/servers.d have in common: accounts, ports, processes. Sourced after lib.sh.
#
# hack/servers.d/NAME/provide defines `provide`, which builds into OUTPUT what no package of Debian has, where there is such a
# file; OUTPUT is named by the checksum of all files beside `server`. hack/servers.d/NAME/server sets and defines, with USERNAME, PASSWORD, DATABASE, PORT and FOLDER given:
#   SOURCE, PACKAGES, PROGRAMS   where it comes from in words, Debian packages, programs that must be there
#   PLACES                       folders besides PATH that hold the programs (patterns)
#   OPTIONAL                     not empty: CI may lack it
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
  [ ! -f "$SERVERS/$NAME/provide" ] || reachable "$NAME-$(server_key)"
  # shellcheck source=/dev/null
  . "$SERVERS/$NAME/server"
}

# reachable BUILD: OUTPUT for a build of the cache, which another account cannot enter as root's; then it is linked where it can.
reachable() {
  BUILT=$CACHE/servers/$1
  OUTPUT=$BUILT
  [ "$(id -u)" = 0 ] || return 0
  OUTPUT=/var/lib/$ACCOUNT/$1
  [ -d "$BUILT" ] && [ ! -d "$OUTPUT" ] || return 0
  rm -rf "/var/lib/$ACCOUNT/$NAME"-*
  mkdir -p "/var/lib/$ACCOUNT"
  cp -rl "$BUILT" "$OUTPUT" 2>/dev/null || cp -r "$BUILT" "$OUTPUT"
}

server_key() { find "$SERVERS/$NAME" -type f ! -name server -print0 | sort -z | xargs -0 sha256sum | awk '{ print $1 }' | sha256sum | cut -c1-16; }

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

# provided: builds what is missing, in a folder that is removed whatever happens: compilers' caches are not worth their space.
provided() {
  [ -n "$OUTPUT" ] || return 1
  ! available || return 0
  WORK=$(mktemp -d "$CACHE/servers.XXXXXX")
  trap 'rm -rf "$WORK"' EXIT
  # shellcheck source=/dev/null
  . "$SERVERS/$NAME/provide"
  say "building what $NAME needs"
  provide && mkdir -p "$CACHE/servers" && rm -rf "$BUILT" "$OUTPUT" && mv "$WORK/output" "$BUILT" && load "$NAME" && available
}

# go_source: the module that go.mod beside the server requires, checked by go.sum there, as a copy in $WORK/source.
go_source() {
  local go path
  go=$(go_program)
  mkdir "$WORK/module"
  cp "$SERVERS/$NAME"/go.{mod,sum} "$WORK/module/"
  path=$(cd "$WORK/module" && go_alone 600 "$go" mod download -json "$(awk '$1 == "require" { print $2 "@" $3 }' go.mod)" | sed -n 's/.*"Dir": "\(.*\)".*/\1/p')
  cmp "$SERVERS/$NAME/go.sum" "$WORK/module/go.sum" >&2 && cp -r "$path" "$WORK/source" && chmod -R u+w "$WORK/source"
}

# go_alone SECONDS COMMAND...: with caches of this build alone.
go_alone() {
  GOWORK=off GOTOOLCHAIN=local GOFLAGS=-modcacherw GOCACHE=$WORK/compiled GOMODCACHE=$WORK/modules timeout "$1" nice -n "${KOAN_TOOLS_NICE:-10}" "${@:2}"
}

# go_programs CGO-ENABLED LINKER-FLAGS PACKAGE...: of $WORK/source, by its own go.mod and go.sum, into $WORK/output; 45 minutes at most.
go_programs() {
  mkdir -p "$WORK/output"
  (cd "$WORK/source" && CGO_ENABLED=$1 go_alone 2700 "$(go_program)" build -trimpath -buildvcs=false -mod=readonly -o "$WORK/output/" -ldflags "-s -w $2" "${@:3}") >&2
}

# maven_zip GROUP:NAME:VERSION SHA256 FOLDER: a zip of Maven, of this checksum, unpacked into FOLDER.
maven_zip() {
  local group name version file
  IFS=: read -r group name version <<<"$1"
  debian maven unzip
  timeout 600 nice -n "${KOAN_TOOLS_NICE:-10}" mvn -q -B -ntp -Dstyle.color=never "-Dmaven.repo.local=$WORK/repository" -Dtransitive=false "-Dartifact=$1:zip" \
    org.apache.maven.plugins:maven-dependency-plugin:3.6.1:get >&2
  file=$WORK/repository/${group//.//}/$name/$version/$name-$version.zip
  sha256sum --quiet --check <<<"$2  $file" >&2 && mkdir -p "$3" && unzip -q "$file" -d "$3"
}

# bcrypt: of the password on stdin, as cheap as it may be.
bcrypt() { perl -e 'chomp(my $word = <STDIN>); print crypt($word, $ARGV[0])' "\$2a\$04\$$(secret | cut -c1-21)u"; }

# search_node FROM SETTINGS: what Elasticsearch and OpenSearch alike are told: SETTINGS from what came with them, without logs that
# have no place, NODE for the file of settings, and HEAP.
search_node() {
  mkdir -p "$FOLDER/data/temporary"
  cp -r "$1" "$2"
  sed -i -E '/^([0-9]+-?[0-9]*:)?-(Xlog:gc|XX:ErrorFile|XX:HeapDumpPath|XX:\+HeapDump)/d' "$2/jvm.options"
  HEAP="-Xms256m -Xmx256m -XX:TieredStopAtLevel=1 -XX:-UsePerfData"
  NODE="cluster.name: koan-tests
node.name: one
path.data: $FOLDER/data/node
path.logs: $FOLDER/data/logs
network.host: 127.0.0.1
http.port: $PORT
transport.port: $(free_port)
discovery.type: single-node
cluster.routing.allocation.disk.threshold_enabled: false"
}

# search_admits PASSWORD: whether either lets the user in. Before the first test asks, the machine of Java has what its answers need:
# cold, they take longer than a probe waits.
search_admits() {
  local address=http://127.0.0.1:$PORT login path
  login="user = \"$USERNAME:$1\""
  [ "$(status_of "$address/_cluster/health" --config - <<<"$login")" = 200 ] || return 1
  [ ! -f "$FOLDER/environment" ] || return 0
  for _ in {1..20}; do
    for path in / /_plugins/_security/health /_nodes/_local?filter_path=nodes.*.version /_cluster/health; do
      status_of "$address$path"
      status_of "$address$path" --config - <<<"$login"
    done
  done
}

# Where something was to be built, another program of the same name is no substitute: MariaDB brings a `mysqld`.
available() {
  local name
  [ -z "$OUTPUT" ] || [ -d "$OUTPUT" ] || return 1
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
  [ ! -e "$STATE" ] || [ -O "$STATE" ] || fail "$STATE is another user's" "remove it, or set KOAN_TEST_SERVERS_STATE"
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

# says PORT TEXT PATTERN: what a line-based server answers to TEXT until a line matches PATTERN or none comes for 3 seconds.
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

# status_of URL [CURL-ARGUMENT...]: the status of an answer; a credential goes by `--config -`, not in arguments.
status_of() { curl -s --noproxy '*' --max-time 5 -o /dev/null -w '%{http_code}' "$@"; }
