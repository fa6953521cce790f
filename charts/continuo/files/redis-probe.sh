#!/bin/sh
# redis-probe.sh server|sentinel alive|ready: whether this pod's data server or Sentinel is. A data server that
# waits for its part is alive and not ready.
set -u
here=$(dirname "$0")
. "$here/redis-ask.sh"

case $1 in
    server) at=$(server_of "$REDIS_ME") ;;
    *) at=$(sentinel_of "$REDIS_ME") ;;
esac
at=127.0.0.1:${at##*:}

case "$1 $2" in
    "server alive")
        [ -e "$waiting" ] && exit 0
        case $(ask "$at" PING) in
            PONG | LOADING* | MASTERDOWN*) exit 0 ;;
        esac
        ;;
    "server ready")
        case $(ask "$at" PING) in
            PONG) ;;
            *) exit 1 ;;
        esac
        case $(ask "$at" INFO replication) in
            *role:master* | *master_link_status:up*) exit 0 ;;
        esac
        ;;
    "sentinel alive") [ "$(ask "$at" PING)" = PONG ] && exit 0 ;;
    "sentinel ready")
        case $(ask "$at" SENTINEL MASTER "$REDIS_NAME") in
            *config-epoch*) exit 0 ;;
        esac
        ;;
esac
exit 1
