#!/usr/bin/env bash
# A throwaway PostgreSQL cluster on a free loopback port, run as an ordinary user.
#
#   .ci/postgres.sh start    prints its URL (for VSEARCH_TEST_POSTGRES); nothing else goes to stdout
#   .ci/postgres.sh stop URL stops it and deletes its data
#   .ci/postgres.sh run COMMAND...  runs a command with VSEARCH_TEST_POSTGRES set, and stops it afterwards
#
# Needs initdb and pg_ctl: Debian's postgresql package, or PG_BIN naming another directory. As root it runs as user postgres
# (PG_USER names another). Its files are under TMPDIR; nothing is synced to disk, because nothing is kept.
set -euo pipefail

find_bin() {
    if [ -n "${PG_BIN:-}" ]; then echo "$PG_BIN"; return; fi
    if command -v initdb >/dev/null; then dirname "$(command -v initdb)"; return; fi
    local newest
    newest=$(ls -d /usr/lib/postgresql/*/bin 2>/dev/null | sort -V | tail -n 1)
    if [ -z "$newest" ]; then
        echo "postgres.sh: no initdb found; install postgresql or set PG_BIN" >&2
        exit 1
    fi
    echo "$newest"
}

as_user() {  # PostgreSQL refuses to run as root
    if [ "$(id -u)" -eq 0 ]; then runuser -u "${PG_USER:-postgres}" -- "$@"; else "$@"; fi
}

free_port() {
    python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'
}

start() {
    local bin base port
    bin=$(find_bin)
    cd /
    base=$(as_user mktemp -d "${TMPDIR:-/tmp}/vsearch-postgres-XXXXXX")
    as_user "$bin/initdb" -D "$base/data" -U vsearch -A trust -E UTF8 --locale=C --no-sync >"$base.log" 2>&1 \
        || { cat "$base.log" >&2; exit 1; }
    for _ in 1 2 3 4 5; do  # another program may take the port first
        port=$(free_port)
        if as_user "$bin/pg_ctl" -D "$base/data" -l "$base/log" -w -t 60 \
            -o "-p $port -k $base -c listen_addresses=127.0.0.1 -c fsync=off -c max_connections=40" start >>"$base.log" 2>&1
        then
            echo "$base" >"${TMPDIR:-/tmp}/vsearch-postgres-$port"
            echo "postgresql://vsearch@127.0.0.1:$port/postgres"
            return
        fi
    done
    cat "$base.log" "$base/log" >&2
    exit 1
}

stop() {
    local port note base
    port=$(sed -E 's#.*:([0-9]+)/.*#\1#' <<<"$1")
    note="${TMPDIR:-/tmp}/vsearch-postgres-$port"
    base=$(cat "$note")
    cd /
    as_user "$(find_bin)/pg_ctl" -D "$base/data" -m immediate -w stop >/dev/null
    rm -rf -- "$base" "$base.log" "$note"
}

case "${1:-}" in
    start) start ;;
    stop) stop "${2:?the URL that start printed}" ;;
    run)
        shift
        here=$PWD
        VSEARCH_TEST_POSTGRES=$(start)
        export VSEARCH_TEST_POSTGRES
        trap 'stop "$VSEARCH_TEST_POSTGRES"' EXIT
        cd "$here"
        "$@"
        ;;
    *)
        sed -n '2,9p' "$0" >&2
        exit 2
        ;;
esac
