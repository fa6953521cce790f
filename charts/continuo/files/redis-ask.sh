# What the scripts beside this one share: who is who, and how to ask one of them. Sourced, never run.
#
# REDIS_SERVERS and REDIS_SENTINELS list every pod's data server and Sentinel as "host:port", in the order of
# the pods' numbers and with spaces between; REDIS_ME is this pod's number, else REDIS_POD ends with it.

: "${REDIS_FOLDER:=/data}" "${REDIS_RUN:=/tmp}" "${REDIS_NAME:=continuo}"
: "${REDIS_SERVER:=redis-server}" "${REDIS_CLI:=redis-cli}" "${REDIS_ANSWER_S:=2}" "${REDIS_ROUND_S:=1}"
: "${REDIS_DOWN_AFTER_MS:=5000}" "${REDIS_FAILOVER_TIMEOUT_MS:=20000}"
: "${REDIS_ME:=${REDIS_POD##*-}}"

server_conf=$REDIS_FOLDER/redis/redis.conf
sentinel_conf=$REDIS_FOLDER/sentinel/sentinel.conf
whole=$REDIS_FOLDER/redis/whole # there while the disk has all that the data server ever copied
# While the append-only file is written anew behind a copy, the manifest still names the old one, and commands go here.
aside=$REDIS_FOLDER/redis/appendonlydir/temp-appendonly.aof.incr
manifest=$REDIS_FOLDER/redis/appendonlydir/appendonly.aof.manifest
waiting=$REDIS_RUN/redis-waiting

say() { echo "${0##*/}: $*" >&2; }

# nth I A B C: the I-th of the rest, from 0.
nth() {
    shift $(($1 + 1))
    echo "$1"
}

# The numbers of all pods.
pods() {
    i=0
    for _ in $REDIS_SERVERS; do
        echo $i
        i=$((i + 1))
    done
}

# shellcheck disable=SC2086  # lists are split into words on purpose
server_of() { nth "$1" $REDIS_SERVERS; }
# shellcheck disable=SC2086
sentinel_of() { nth "$1" $REDIS_SENTINELS; }

# The number of the pod whose data server has this "host:port"; - for a stranger.
pod_at() {
    for pod in $(pods); do
        [ "$(server_of "$pod")" != "$1" ] || { echo "$pod"; return; }
    done
    echo -
}

# So many Sentinels make a majority.
majority_of_pods() {
    pods | { count=0; while read -r _; do count=$((count + 1)); done; echo $((count / 2 + 1)); }
}

# ask HOST:PORT COMMAND...: the answer or the error, in plain lines; never longer than REDIS_ANSWER_S.
ask() {
    asked=$1
    shift
    timeout "$REDIS_ANSWER_S" "$REDIS_CLI" -h "${asked%:*}" -p "${asked##*:}" "$@" 2>&1 | tr -d '\r'
}

# value_of NAME: the line behind the line NAME, of what SENTINEL MASTER said.
value_of() { sed -n "/^$1\$/{n;p;q;}"; }

# The facts about pod I's Sentinel and about its data server, as redis-decide.sh wants them.
sentinel_fact() {
    said=$(ask "$(sentinel_of "$1")" SENTINEL MASTER "$REDIS_NAME")
    case $said in
        *"No such master"*) echo "sentinel $1 ignorant" ;;
        *config-epoch*)
            named=$(echo "$said" | value_of ip):$(echo "$said" | value_of port)
            echo "sentinel $1 names $(pod_at "$named") $(echo "$said" | value_of config-epoch)"
            ;;
        *) echo "sentinel $1 away" ;;
    esac
}

server_fact() {
    said=$(ask "$(server_of "$1")" INFO replication)
    case $said in
        *role:master*) echo "server $1 master" ;;
        *role:slave*)
            priority=$(echo "$said" | sed -n 's/^slave_priority://p')
            if [ "$priority" = 0 ]; then echo "server $1 unelectable"; else echo "server $1 electable"; fi
            ;;
        *"Connection refused"*) echo "server $1 down" ;;
        *) echo "server $1 away" ;;
    esac
}
