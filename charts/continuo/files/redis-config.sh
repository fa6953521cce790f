# How the two configurations on the volume are written before a start. Sourced, never run.
#
# The file on the volume is the truth: what CONFIG REWRITE and the Sentinels wrote survives. Only the lines
# that this chart answers for are taken out and written anew. `loadmodule` is one of them: a rewrite puts it
# into the file, and a module that is loaded twice ends the server.

server_lines='loadmodule|replicaof|slaveof|port|bind|protected-mode|dir|appendonly|maxmemory|maxmemory-policy'
server_lines="$server_lines|min-(replicas|slaves)-to-write|repl-diskless-sync-delay|(replica|slave)-priority"
server_lines="$server_lines|(replica|slave)-announce-(ip|port)"

# write_server_config PRIORITY [HOST:PORT]: a replica of that one, else a master.
write_server_config() {
    mkdir -p "$REDIS_FOLDER/redis"
    here_is=$(server_of "$REDIS_ME")
    {
        if [ -f "$server_conf" ]; then
            grep -v -i -E "^[[:space:]]*($server_lines)([[:space:]]|\$)" "$server_conf" || :
        else
            echo 'save ""' # snapshots would only repeat what the append-only file holds
        fi
        for module in $REDIS_MODULES; do echo "loadmodule $module"; done
        echo "port ${here_is##*:}"
        [ -z "${REDIS_BIND:-}" ] || echo "bind $REDIS_BIND"
        echo "protected-mode no"
        echo "dir $REDIS_FOLDER/redis"
        echo "appendonly yes"
        [ -z "${REDIS_MAXMEMORY:-}" ] || echo "maxmemory $REDIS_MAXMEMORY"
        echo "maxmemory-policy noeviction"
        echo "min-replicas-to-write 1"
        echo "repl-diskless-sync-delay 0"
        echo "replica-announce-ip ${here_is%:*}"
        echo "replica-announce-port ${here_is##*:}"
        echo "replica-priority $1"
        [ -z "${2:-}" ] || echo "replicaof ${2%:*} ${2##*:}"
    } >"$server_conf.new"
    mv "$server_conf.new" "$server_conf"
}

# The number of the pod that the volume's own configuration has as master; - for a stranger.
master_by_config() {
    followed=$(sed -n -E 's/^(replicaof|slaveof) "?([^ "]+)"? ([0-9]+).*/\2:\3/p' "$server_conf" | tail -n 1)
    pod_at "${followed:-$(server_of "$REDIS_ME")}"
}

# The same id again after a volume was lost: to the others it is no further Sentinel, whose vote they would need.
sentinel_id() { printf %s "$(sentinel_of "$1")" | sha1sum | cut -c 1-40; }

sentinel_lines='port|bind|protected-mode|dir'
sentinel_lines="$sentinel_lines|sentinel (myid|announce-ip|announce-port|resolve-hostnames|announce-hostnames)"
sentinel_lines="$sentinel_lines|sentinel (known-replica|known-slave|known-sentinel) $REDIS_NAME"
sentinel_lines="$sentinel_lines|sentinel (down-after-milliseconds|failover-timeout|parallel-syncs) $REDIS_NAME"

write_sentinel_config() {
    mkdir -p "$REDIS_FOLDER/sentinel"
    touch "$sentinel_conf"
    watched=$(watched_master)
    {
        sentinel_globals
        grep -v -i -E "^[[:space:]]*($sentinel_lines)([[:space:]]|\$)" "$sentinel_conf" || :
        [ -z "$watched" ] || sentinel_of_master "$watched"
    } >"$sentinel_conf.new"
    mv "$sentinel_conf.new" "$sentinel_conf"
}

# "host:port" of the master the Sentinel remembers. When its memory is gone and the data server's is not, that
# one's; nothing on an empty volume.
watched_master() {
    remembered=$(sed -n -E "s/^sentinel monitor $REDIS_NAME \"?([^ \"]+)\"? ([0-9]+).*/\\1:\\2/p" "$sentinel_conf")
    if [ -n "$remembered" ]; then
        echo "$remembered"
    elif [ -f "$server_conf" ]; then
        master=$(master_by_config)
        [ "$master" = - ] || server_of "$master"
    fi
}

sentinel_globals() {
    here_is=$(sentinel_of "$REDIS_ME")
    echo "port ${here_is##*:}"
    [ -z "${REDIS_BIND:-}" ] || echo "bind $REDIS_BIND"
    echo "protected-mode no"
    echo "dir $REDIS_FOLDER/sentinel"
    echo "sentinel resolve-hostnames yes"
    echo "sentinel announce-hostnames yes"
    echo "sentinel announce-ip ${here_is%:*}"
    echo "sentinel announce-port ${here_is##*:}"
    echo "sentinel myid $(sentinel_id "$REDIS_ME")"
}

# All pods are written down: a Sentinel that had not heard of them yet learns of them only from a running master.
sentinel_of_master() {
    grep -q "^sentinel monitor $REDIS_NAME " "$sentinel_conf" ||
        echo "sentinel monitor $REDIS_NAME ${1%:*} ${1##*:} $(majority_of_pods)"
    echo "sentinel down-after-milliseconds $REDIS_NAME $REDIS_DOWN_AFTER_MS"
    echo "sentinel failover-timeout $REDIS_NAME $REDIS_FAILOVER_TIMEOUT_MS"
    echo "sentinel parallel-syncs $REDIS_NAME 1"
    for pod in $(pods); do
        at=$(server_of "$pod")
        [ "$at" = "$1" ] || echo "sentinel known-replica $REDIS_NAME ${at%:*} ${at##*:}"
        at=$(sentinel_of "$pod")
        [ "$pod" = "$REDIS_ME" ] ||
            echo "sentinel known-sentinel $REDIS_NAME ${at%:*} ${at##*:} $(sentinel_id "$pod")"
    done
}
