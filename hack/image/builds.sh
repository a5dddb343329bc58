# shellcheck shell=bash disable=SC2034,SC2154 # read by hack/images, which says SOURCES
# The test images: from which packages, under which names, with which settings. Sourced by hack/images.
#
# Each carries the tag of the catalogue's recipe (detection.md 8.1) too, although Debian's version is older: engines look
# for exactly that name. `build_NAME ROOT OUTPUT VERSION` makes the archive.

BASE_PACKAGES=(base-files dash bash coreutils util-linux findutils grep sed gzip hostname libc6 libc-bin libgcc-s1 libstdc++6
  libacl1 libattr1 libselinux1 libpcre2-8-0 libgmp10 libtinfo6 libmount1 libblkid1 libsmartcols1 libcap-ng0 libcap2
  libsystemd0 libgcrypt20 libgpg-error0 liblz4-1 liblzma5 libzstd1 zlib1g libssl3 libuuid1 libcrypt1 libpam0g libaudit1)
POSTGRES_PACKAGES=(postgresql-15 postgresql-client-15 libpq5 libxml2 libxslt1.1 libicu72 libldap-2.5-0 libsasl2-2
  libgssapi-krb5-2 libkrb5-3 libk5crypto3 libkrb5support0 libcom-err2 libkeyutils1 libreadline8 libedit2 libbsd0 libmd0 tzdata
  libhogweed6 libnettle8 libgnutls30 libp11-kit0 libidn2-0 libunistring2 libtasn1-6 libffi8)
REDIS_PACKAGES=(redis-server redis-tools libjemalloc2 liblua5.1-0 lua-bitop lua-cjson libhiredis0.14 libatomic1 liblzf1)

MARIADB_PACKAGES=(mariadb-server-core mariadb-client-core mariadb-common mysql-common libmariadb3 libaio1 libbsd0 libedit2 libmd0 libncurses6 libnuma1
  liburing2)
RABBITMQ_PACKAGES=(rabbitmq-server erlang-asn1 erlang-base erlang-crypto erlang-eldap erlang-ftp erlang-inets erlang-mnesia erlang-os-mon
  erlang-parsetools erlang-public-key erlang-runtime-tools erlang-snmp erlang-ssl erlang-syntax-tools erlang-tftp erlang-tools erlang-xmerl
  procps libproc2-0 libncursesw6 libncurses6)
NATS_PACKAGES=(busybox-static nats-server libc6)
MOSQUITTO_PACKAGES=(busybox-static mosquitto mosquitto-clients libc6 libcap2 libcjson1 libcom-err2 libdlt2 libgcrypt20 libgpg-error0 libgssapi-krb5-2 libk5crypto3
  libkeyutils1 libkrb5-3 libkrb5support0 liblz4-1 liblzma5 libmosquitto1 libnsl2 libssl3 libsystemd0 libtirpc3 libwrap0 libzstd1 zlib1g)
MEMCACHED_PACKAGES=(busybox-static memcached libc6 libevent-2.1-7 libsasl2-2 libssl3)
MONGODB_PACKAGES=(busybox-static)

NAMES=(postgres redis mariadb rabbitmq nats mosquitto memcached mongodb sleeper)
SEARCH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin

# packages_of NAME: what it is made of, one per line.
packages_of() {
  local own="${1^^}_PACKAGES[@]"
  case $1 in
    sleeper) ;;
    postgres | redis | mariadb | rabbitmq) printf '%s\n' "${BASE_PACKAGES[@]}" "${!own}" ;;
    *) printf '%s\n' "${!own}" ;;
  esac
}

reference() {
  case $1 in
    sleeper) echo docker.io/library/koan-sleeper ;;
    mosquitto) echo docker.io/library/eclipse-mosquitto ;;
    mongodb) echo docker.io/library/mongo ;;
    *) echo "docker.io/library/$1" ;;
  esac
}

version_of() {
  case $1 in
    postgres) package_version postgresql-15 ;;
    redis | rabbitmq | nats) package_version "$1-server" ;;
    mariadb) package_version mariadb-server-core ;;
    mongodb) sed -n 's/^require .* v//p' "$REPOSITORY/hack/servers.d/mongodb/go.mod" ;;
    sleeper) echo 1.0.0 ;;
    *) package_version "$1" ;;
  esac
}

# tag_of NAME VERSION: the further tag by which manifests or the catalogue's row name it.
tag_of() {
  case $1 in
    mariadb) echo 11.8.8 ;;
    rabbitmq) echo 4.3.5-management ;;
    nats) echo 2.14.5-alpine ;;
    mosquitto) echo 2.0.22 ;;
    memcached) echo 1.6.45 ;;
    mongodb) echo 8.0.29 ;;
    *) echo "${2%%.*}" ;;
  esac
}

# entry_point ROOT NAME: ours, in the place of the official one, with what entry points share.
entry_point() {
  install -m 755 -D "$SOURCES/$2-entrypoint" "$1/usr/local/bin/docker-entrypoint.sh"
  install -m 644 -D "$SOURCES/entrypoint.sh" "$1/usr/local/lib/entrypoint.sh"
}

# shell_of_busybox ROOT: the tools that a small image has.
shell_of_busybox() {
  local tool
  for tool in sh wget cat ls grep hostname sleep id nc find chown setsid env kill; do [ -e "$1/usr/bin/$tool" ] || ln -s busybox "$1/usr/bin/$tool"; done
}

build_postgres() {
  local root=$1 output=$2 version=$3 bin=/usr/lib/postgresql/15/bin
  unpack "$root" "${BASE_PACKAGES[@]}" "${POSTGRES_PACKAGES[@]}"
  check_libraries "$root" $bin/postgres $bin/psql $bin/initdb $bin/pg_ctl $bin/pg_dump usr/bin/setpriv usr/bin/bash
  account "$root" postgres /var/lib/postgresql
  entry_point "$root" postgres
  sed -i "s/^#listen_addresses = .*/listen_addresses = '*'/" "$root/usr/share/postgresql/15/postgresql.conf.sample"
  mkdir -p "$root/docker-entrypoint-initdb.d" "$root/var/lib/postgresql/data" "$root/var/run/postgresql"
  chmod 1777 "$root/var/lib/postgresql/data"
  chmod 3777 "$root/var/run/postgresql"
  layer "$root" var/lib/postgresql var/run/postgresql
  archive "$root" "$output" '{"Env":["PATH='$SEARCH:$bin'","LANG=C.UTF-8","PG_MAJOR=15","PG_VERSION='"$version"'","PGDATA=/var/lib/postgresql/data"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["postgres"],"ExposedPorts":{"5432/tcp":{}},"Volumes":{"/var/lib/postgresql/data":{}},"StopSignal":"SIGINT"}' \
    "$(reference postgres):$version" "$(reference postgres):15"
}

build_redis() {
  local root=$1 output=$2 version=$3
  unpack "$root" "${BASE_PACKAGES[@]}" "${REDIS_PACKAGES[@]}"
  check_libraries "$root" usr/bin/redis-server usr/bin/redis-cli usr/bin/setpriv
  account "$root" redis /data
  entry_point "$root" redis
  mkdir -p "$root/data"
  layer "$root" data
  archive "$root" "$output" '{"Env":["PATH='$SEARCH'","REDIS_VERSION='"$version"'"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["redis-server"],"WorkingDir":"/data","ExposedPorts":{"6379/tcp":{}},"Volumes":{"/data":{}}}' \
    "$(reference redis):$version" "$(reference redis):7"
}

build_sleeper() {
  local root=$1 output=$2 version=$3
  debian gcc libc6-dev
  mkdir -p "$root"
  gcc -static -O2 -s -Wall -Wextra -Werror -o "$root/sleeper" "$SOURCES/sleeper.c"
  layer "$root"
  archive "$root" "$output" '{"Entrypoint":["/sleeper"],"ExposedPorts":{"8080/tcp":{}}}' "$(reference sleeper):$version"
}

build_mariadb() {
  local root=$1
  unpack "$root" "${BASE_PACKAGES[@]}" "${MARIADB_PACKAGES[@]}"
  check_libraries "$root" usr/sbin/mariadbd usr/bin/mariadb usr/bin/my_print_defaults usr/bin/setpriv
  account "$root" mysql /var/lib/mysql
  entry_point "$root" mariadb
  install -m 755 "$SOURCES/mariadb-healthcheck" "$root/usr/local/bin/healthcheck.sh"
  mkdir -p "$root/docker-entrypoint-initdb.d" "$root/var/lib/mysql" "$root/run/mysqld" "$root/etc/mysql/conf.d" "$root/etc/mysql/mariadb.conf.d"
  ln -sfn ../run "$root/var/run"
  printf '[client-server]\nsocket=/run/mysqld/mysqld.sock\n!includedir /etc/mysql/conf.d/\n!includedir /etc/mysql/mariadb.conf.d/\n' >"$root/etc/mysql/mariadb.cnf"
  rm -f "$root/etc/mysql/my.cnf" && ln -s mariadb.cnf "$root/etc/mysql/my.cnf"
  layer "$root" var/lib/mysql run/mysqld
  archive "$root" "$2" '{"Env":["PATH='$SEARCH'","LANG=C.UTF-8","MARIADB_VERSION='"$3"'"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["mariadbd"],"ExposedPorts":{"3306/tcp":{}},"Volumes":{"/var/lib/mysql":{}}}' \
    "$(reference mariadb):$3" "$(reference mariadb):$(tag_of mariadb "$3")"
}

build_rabbitmq() {
  local root=$1 home
  unpack "$root" "${BASE_PACKAGES[@]}" "${RABBITMQ_PACKAGES[@]}"
  check_libraries "$root" "$(cd "$root" && echo usr/lib/erlang/erts-*/bin/beam.smp)" "$(cd "$root" && echo usr/lib/erlang/lib/crypto-*/priv/lib/crypto.so)" usr/bin/setpriv
  account "$root" rabbitmq /var/lib/rabbitmq
  entry_point "$root" rabbitmq
  # The scripts of the server itself, not Debian's wrapper, which changes the account.
  home=$(cd "$root" && echo usr/lib/rabbitmq/lib/rabbitmq_server-*)
  mkdir -p "$root/opt" "$root/etc/rabbitmq/conf.d" "$root/var/lib/rabbitmq" "$root/var/log/rabbitmq"
  ln -s "/$home" "$root/opt/rabbitmq"
  printf '[rabbitmq_management,rabbitmq_prometheus].\n' >"$root/etc/rabbitmq/enabled_plugins"
  printf 'loopback_users.guest = false\nlog.console = true\n' >"$root/etc/rabbitmq/conf.d/10-defaults.conf"
  rm -f "$root/etc/rabbitmq/rabbitmq-env.conf"
  layer "$root" var/lib/rabbitmq var/log/rabbitmq etc/rabbitmq
  archive "$root" "$2" '{"Env":["PATH=/opt/rabbitmq/sbin:'$SEARCH'","LANG=C.UTF-8","HOME=/var/lib/rabbitmq","RABBITMQ_DATA_DIR=/var/lib/rabbitmq","RABBITMQ_VERSION='"$3"'","RABBITMQ_LOGS=-"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["rabbitmq-server"],"ExposedPorts":{"5672/tcp":{},"15672/tcp":{},"4369/tcp":{},"25672/tcp":{}},"Volumes":{"/var/lib/rabbitmq":{}}}' \
    "$(reference rabbitmq):$3" "$(reference rabbitmq):$(tag_of rabbitmq "$3")"
}

build_nats() {
  local root=$1
  unpack "$root" "${NATS_PACKAGES[@]}"
  check_libraries "$root" usr/sbin/nats-server
  account "$root" nats /data
  shell_of_busybox "$root"
  entry_point "$root" nats
  mkdir -p "$root/etc/nats" "$root/data"
  printf 'port: 4222\nmonitor_port: 8222\n' >"$root/etc/nats/nats-server.conf"
  layer "$root"
  archive "$root" "$2" '{"Env":["PATH='$SEARCH'","NATS_SERVER='"$3"'"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["nats-server","--config","/etc/nats/nats-server.conf"],"ExposedPorts":{"4222/tcp":{},"6222/tcp":{},"8222/tcp":{}}}' \
    "$(reference nats):$3" "$(reference nats):$(tag_of nats "$3")"
}

build_mosquitto() {
  local root=$1
  unpack "$root" "${MOSQUITTO_PACKAGES[@]}"
  check_libraries "$root" usr/sbin/mosquitto usr/bin/mosquitto_sub usr/bin/mosquitto_passwd
  account "$root" mosquitto /mosquitto
  shell_of_busybox "$root"
  entry_point "$root" mosquitto
  mkdir -p "$root/mosquitto/config" "$root/mosquitto/data" "$root/mosquitto/log"
  printf '# Without a listener it serves the loopback of its container alone.\n' >"$root/mosquitto/config/mosquitto.conf"
  layer "$root" mosquitto
  archive "$root" "$2" '{"Env":["PATH='$SEARCH'","VERSION='"$3"'"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["/usr/sbin/mosquitto","-c","/mosquitto/config/mosquitto.conf"],"ExposedPorts":{"1883/tcp":{}},"Volumes":{"/mosquitto/data":{},"/mosquitto/log":{}}}' \
    "$(reference mosquitto):$3" "$(reference mosquitto):$(tag_of mosquitto "$3")"
}

build_memcached() {
  local root=$1
  unpack "$root" "${MEMCACHED_PACKAGES[@]}"
  check_libraries "$root" usr/bin/memcached
  account "$root" memcache /
  shell_of_busybox "$root"
  entry_point "$root" memcached
  layer "$root"
  archive "$root" "$2" '{"Env":["PATH='$SEARCH'","MEMCACHED_VERSION='"$3"'"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["memcached"],"User":"memcache","ExposedPorts":{"11211/tcp":{}}}' \
    "$(reference memcached):$3" "$(reference memcached):$(tag_of memcached "$3")"
}

# FerretDB under the name, the settings and the shell's command of MongoDB.
build_mongodb() {
  local root=$1 programs
  programs=$(built mongodb)
  unpack "$root" "${MONGODB_PACKAGES[@]}"
  account "$root" mongodb /data/db
  shell_of_busybox "$root"
  entry_point "$root" mongodb
  install -m 755 "$programs/ferretdb" "$programs/ferretdb-login" "$root/usr/local/bin/"
  install -m 755 "$SOURCES/mongodb-shell" "$root/usr/local/bin/mongosh"
  mkdir -p "$root/data/db" "$root/data/configdb"
  layer "$root" data
  archive "$root" "$2" '{"Env":["PATH='$SEARCH'","MONGO_VERSION=8.0.29"],"Entrypoint":["docker-entrypoint.sh"],"Cmd":["mongod"],"ExposedPorts":{"27017/tcp":{}},"Volumes":{"/data/db":{},"/data/configdb":{}}}' \
    "$(reference mongodb):$3" "$(reference mongodb):$(tag_of mongodb "$3")"
}
