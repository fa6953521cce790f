#!/bin/sh
# Before a data server is stopped: if it is the master, another one becomes it first, and no write is lost.
#
# Its writes wait from here to its end; the replicas take what is left; a Sentinel of another pod moves the
# master. When that can't be done well, it ends as it is, and the Sentinels replace it after their down-after.
set -u
here=$(dirname "$0")
. "$here/redis-ask.sh"

: "${REDIS_HANDOVER_S:=30}"
mine=$(server_of "$REDIS_ME")
deadline=$(($(date +%s) + REDIS_HANDOVER_S))

# Tries a command until it is true or the time is over.
until_true() {
    while [ "$(date +%s)" -lt "$deadline" ]; do
        if "$@"; then return 0; fi
        sleep 0.1
    done
    return 1
}

# Whether every other pod's data server follows and holds all there is: each of them could be chosen.
level() {
    said=$(ask "$mine" INFO replication)
    offset=$(echo "$said" | sed -n 's/^master_repl_offset://p')
    followers=$(echo "$said" | grep -c "^slave[0-9]*:.*state=online,offset=$offset,")
    [ "$followers" -eq "$(($(pods | grep -c .) - 1))" ]
}

ordered() {
    for pod in $(pods); do
        [ "$pod" != "$REDIS_ME" ] || continue
        said=$(ask "$(sentinel_of "$pod")" SENTINEL FAILOVER "$REDIS_NAME")
        case $said in
            OK | *INPROG*) return 0 ;;
        esac
    done
    return 1
}

moved() {
    for pod in $(pods); do
        [ "$pod" != "$REDIS_ME" ] || continue
        case $(sentinel_fact "$pod") in
            *names\ "$REDIS_ME"\ * | *away | *ignorant) return 1 ;;
        esac
    done
    return 0
}

case $(ask "$mine" INFO replication) in
    *role:master*) ;;
    *) exit 0 ;;
esac
ask "$mine" CLIENT PAUSE $((REDIS_HANDOVER_S * 2000)) WRITE >/dev/null
if until_true level && until_true ordered && until_true moved; then
    say "the master moved"
else
    say "the master could not be moved in $REDIS_HANDOVER_S s; the Sentinels replace it"
fi
