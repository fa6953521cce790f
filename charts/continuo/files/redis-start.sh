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
answering=0 joined=$began # how many Sentinels answered last, and when one more did

# Whether a start finds all that was copied. A file put aside that is older than the manifest is of an earlier life.
# shellcheck disable=SC3013  # dash, bash and busybox all know -nt
disk_is_whole() {
    [ -e "$whole" ] || return 1
    [ ! -e "$aside" ] || [ "$manifest" -nt "$aside" ]
}

gather() {
    echo "me $REDIS_ME"
    if [ ! -f "$server_conf" ]; then
        echo "volume empty"
    elif disk_is_whole; then
        echo "volume kept"
    else
        echo "volume partial"
    fi
    echo "patience $(patience)"
    for pod in $(pods); do
        sentinel_fact "$pod" >"$facts_folder/sentinel.$pod" &
        [ "$pod" = "$REDIS_ME" ] || server_fact "$pod" >"$facts_folder/server.$pod" &
    done
    wait
    cat "$facts_folder"/*
    echo end
}

# `over` counts from when the last pod came: by then that one has stood for election, if it has anything to give.
patience() {
    now=$(date +%s)
    case $(((now - began) / REDIS_PATIENCE_S)) in
        0) echo left ;;
        1) echo spent ;;
        *) if [ $(((now - joined) / REDIS_PATIENCE_S)) -lt 3 ]; then echo gone; else echo over; fi ;;
    esac
}

# Notes when one more Sentinel answers than the time before. $1: the facts.
note_who_came() {
    before=$answering
    answering=$(echo "$1" | grep -c -E '^sentinel [0-9]+ (ignorant|names)') || :
    [ "$answering" -le "$before" ] || joined=$(date +%s)
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

# As long as the server lives: a replica may be promoted while it has copied the master and its disk has it all.
# Behind a copy, the first one or a later one, the append-only file is written anew, and until that is done the old
# one is what a restart would find.
keep_electable() {
    mine=$(server_of "$REDIS_ME")
    while kill -0 $$ 2>/dev/null; do
        if [ -e "$aside" ]; then
            rm -f "$whole"
            ask "$mine" CONFIG SET replica-priority 0 >/dev/null
        elif [ ! -e "$whole" ] && copied; then
            touch "$whole"
            [ "$(ask "$mine" CONFIG SET replica-priority 100)" = OK ] || rm -f "$whole"
        fi
        sleep "$REDIS_ROUND_S"
    done
}

copied() {
    case $(ask "$mine" INFO replication; ask "$mine" INFO persistence) in
        *aof_rewrite_in_progress:1* | *aof_rewrite_scheduled:1* | *loading:1*) return 1 ;;
        *role:master*aof_rewrite_in_progress:0* | *master_link_status:up*aof_rewrite_in_progress:0*) return 0 ;;
    esac
    return 1
}

# What the server reads is the truth from here on, so what an earlier life put aside goes.
begin() {
    case $1 in
        master)
            teach "$REDIS_ME" "$own" || return 0
            write_server_config 100
            rm -f "$aside"
            touch "$whole"
            ;;
        replica)
            teach "$2" "$own" || return 0
            rm -f "$whole" "$aside"
            write_server_config 0 "$(server_of "$2")"
            ;;
        candidate)
            disk_is_whole || rm -f "$whole"
            rm -f "$aside"
            write_server_config 100 "$(server_of "$2")"
            ;;
    esac
    keep_electable &
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
    note_who_came "$facts"
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
