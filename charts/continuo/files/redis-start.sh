#!/bin/sh
# Starts a pod's data server, as what it may be: asks every Sentinel and every other data server until the
# facts allow it (redis-decide.sh), writes its part into the configuration on the volume, and becomes the server.
#
# Must never start a server on an empty volume before the pod's own Sentinel has written a master down: that is
# how the others can tell that a volume may hold data while its data server does not run.
set -eu
here=$(dirname "$0")
. "$here/redis-ask.sh"
. "$here/redis-decide.sh"
. "$here/redis-config.sh"
umask 077

: "${REDIS_PATIENCE_S:=60}" "${REDIS_MODULES=/usr/local/lib/redis/modules/redisearch.so /usr/local/lib/redis/modules/rejson.so}"
began=$(date +%s)
rm -rf "$REDIS_RUN"/redis-facts.*
facts_folder=$(mktemp -d "$REDIS_RUN/redis-facts.XXXXXX")

gather() {
    echo "me $REDIS_ME"
    if [ ! -f "$server_conf" ]; then
        echo "volume empty"
    elif [ -e "$whole" ]; then
        echo "volume kept"
    else
        echo "volume partial"
    fi
    case $((($(date +%s) - began) / REDIS_PATIENCE_S)) in
        0) echo "patience left" ;;
        1) echo "patience spent" ;;
        *) echo "patience gone" ;;
    esac
    for pod in $(pods); do
        sentinel_fact "$pod" >"$facts_folder/sentinel.$pod" &
        [ "$pod" = "$REDIS_ME" ] || server_fact "$pod" >"$facts_folder/server.$pod" &
    done
    wait
    cat "$facts_folder"/*
    echo end
}

# Has this pod's Sentinel name pod $1; it names $2 now, or is `ignorant` or `away`.
teach() {
    [ "$2" != "$1" ] || return 0
    if [ "$2" = away ]; then
        [ -f "$server_conf" ] # one that is away remembers, or reads our configuration when it comes
        return
    fi
    mine=$(sentinel_of "$REDIS_ME") at=$(server_of "$1")
    [ "$2" = ignorant ] || ask "$mine" SENTINEL REMOVE "$REDIS_NAME" >/dev/null
    said=$(ask "$mine" SENTINEL MONITOR "$REDIS_NAME" "${at%:*}" "${at##*:}" "$(majority_of_pods)")
    if [ "$said" != OK ]; then
        say "my Sentinel does not take pod $1 as master: $said"
        return 1
    fi
    ask "$mine" SENTINEL SET "$REDIS_NAME" down-after-milliseconds "$REDIS_DOWN_AFTER_MS" \
        failover-timeout "$REDIS_FAILOVER_TIMEOUT_MS" parallel-syncs 1 >/dev/null
}

# What this pod's own Sentinel said among the facts: a pod's number, `ignorant` or `away`.
own_word() {
    while read -r kind who what arg _; do
        [ "$kind $who" = "sentinel $REDIS_ME" ] || continue
        if [ "$what" = names ]; then echo "$arg"; else echo "$what"; fi
    done
}

# A replica may be promoted when it has copied the master and its disk has it all: behind a first copy, the
# append-only file is written anew, and until that is done the old one is what a restart would find.
make_electable() {
    mine=$(server_of "$REDIS_ME")
    while kill -0 $$ 2>/dev/null; do
        case $(ask "$mine" INFO replication; ask "$mine" INFO persistence) in
            *aof_rewrite_in_progress:1* | *aof_rewrite_scheduled:1* | *loading:1*) ;;
            *role:master*aof_rewrite_in_progress:0* | *master_link_status:up*aof_rewrite_in_progress:0*)
                touch "$whole"
                [ "$(ask "$mine" CONFIG SET replica-priority 100)" != OK ] || return 0
                ;;
        esac
        sleep "$REDIS_ROUND_S"
    done
}

begin() {
    case $1 in
        master)
            teach "$REDIS_ME" "$own" || return 0
            write_server_config 100
            touch "$whole"
            ;;
        replica)
            teach "$2" "$own" || return 0
            rm -f "$whole"
            write_server_config 0 "$(server_of "$2")"
            make_electable &
            ;;
        candidate) write_server_config 100 "$(server_of "$2")" ;;
    esac
    say "starts as $*"
    rm -rf "$waiting" "$facts_folder"
    trap - TERM INT
    exec "$REDIS_SERVER" "$server_conf"
}

trap 'exit 0' TERM INT
touch "$waiting"
told=''
while :; do
    facts=$(gather)
    own=$(echo "$facts" | own_word)
    word=$(echo "$facts" | decide)
    if [ -f "$server_conf" ] && [ "$own" = ignorant ] && [ "$(master_by_config)" != - ]; then
        teach "$(master_by_config)" ignorant || :
    elif [ "${word%% *}" != wait ]; then
        # shellcheck disable=SC2086  # "replica 1" are two words
        begin $word
    fi
    if [ "$word" != "$told" ]; then
        say "$word"
        told=$word
    fi
    sleep "$REDIS_ROUND_S"
done
