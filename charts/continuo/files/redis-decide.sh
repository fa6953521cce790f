# Which part a data server takes when it starts: facts in, one line out. Nothing here asks, waits or writes.
#
# `decide` reads these lines, in any order, up to a line `end`:
#   me I                        this pod's number
#   volume empty | partial | kept
#                               whether this pod's volume ever held a data server; `partial`: that one was
#                               stopped before its disk had all that it had copied from a master
#   patience left | spent | gone | over
#                               whether this start has waited long enough for those that are away; twice that;
#                               and three times that since the last of those that answer came
#   sentinel I away             the Sentinel of pod I does not answer
#   sentinel I ignorant         it answers and knows no master: no data server ever ran on the volume of pod I
#   sentinel I names J E        it names pod J (- for a stranger) as master, by a failover of epoch E
#   server I away               the data server of pod I does not answer: stopped, hung, or out of reach
#   server I down               nobody listens there: it has not started, or waits as we do
#   server I master             it runs as master
#   server I electable          it runs as a replica that the Sentinels may promote
#   server I unelectable        it runs as a replica that has not copied a master yet
# and prints one of
#   master                      nobody can hold newer data than this volume
#   replica J                   follow J; not to be promoted before it has copied J
#   candidate J                 as a replica of J, which is gone: the Sentinels choose among those that come up so
#   wait WHY                    ask again in a moment
#
# The rules rest on one thing the start script keeps: a pod's Sentinel is told of a master, and has written it
# down, before that pod's data server first starts. So an ignorant Sentinel means an empty volume.

decide() {
    decide_read
    decide_weigh
    if [ "$knowing" -eq 0 ]; then
        decide_first
    elif [ "$named" = tied ]; then
        echo "wait for the Sentinels, which name different masters"
    elif [ "$named" = "$me" ]; then
        decide_named
    elif [ "$volume" != empty ] && [ "$others_ignorant" -eq $((pods - 1)) ]; then
        echo master # the only volume that is left
    else
        decide_other
    fi
}

# Nobody has heard of a master: only pod 0 begins, and only when no volume can hold anything.
decide_first() {
    if [ "$heard" -lt "$pods" ]; then
        echo "wait for the Sentinels of all pods: a volume may hold data"
    elif [ "$volume" != empty ]; then
        echo "wait for my Sentinel to know what my volume knows"
    elif [ "$me" -eq 0 ]; then
        echo master
    else
        echo "wait for pod 0 to begin"
    fi
}

# The Sentinels name this pod. Whoever is alive may hold more than its disk; then they choose anew.
decide_named() {
    if [ "$volume" != empty ] && [ "$masters" -gt 0 ]; then
        echo "wait for the Sentinels: another pod is already master"
    elif [ "$volume" != empty ] && [ "$electable" -gt 0 ]; then
        echo "wait for the Sentinels to choose a replica: it may hold more than my disk"
    elif [ "$others_ignorant" -eq $((pods - 1)) ]; then
        echo master # no other volume ever held anything
    elif [ "$volume" = empty ]; then
        echo "wait for the Sentinels to choose another: I am named master and my volume is empty"
    elif [ "$volume" = partial ] && [ "$patience" != over ]; then
        echo "wait for one with a whole copy to stand for election: my disk has not all that I had"
    elif [ "$heard" -eq "$pods" ] && [ "$unseen" -eq 0 ]; then
        echo master
    elif [ "$knowing" -ge "$majority" ] && [ "$patience" != left ]; then
        echo master
    else
        echo "wait for the other pods: one may hold more than my disk, or know of a newer master"
    fi
}

# The Sentinels name another pod.
decide_other() {
    case $named_server in
        master)
            # An empty volume has nothing to lose by following; a kept one must not follow on a minority's word.
            if [ "$volume" = empty ] || [ "$knowing" -ge "$majority" ] || [ "$heard" -eq "$pods" ]; then
                echo "replica $named"
            else
                echo "wait for a second Sentinel to name pod $named"
            fi
            ;;
        electable | unelectable) echo "wait for pod $named, which is named master and is a replica" ;;
        *) decide_without_master ;;
    esac
}

# The named master does not run. It comes back by itself, unless its volume is lost or it stays away.
decide_without_master() {
    if [ "$volume" = empty ]; then
        echo "wait for a master: pod $named is named and does not run"
    elif [ "$knowing" -lt "$majority" ] || [ "$named" = - ]; then
        echo "wait for a majority of the Sentinels to name one of us"
    elif [ "$volume" = partial ] && { [ "$named_sentinel" != ignorant ] || [ "$late" = no ]; }; then
        echo "wait for pod $named, the master, or for one with a whole copy"
    elif [ "$named_sentinel" = ignorant ] || [ "$late" = yes ]; then
        echo "candidate $named"
    elif [ "$named_sentinel" = away ] && [ "$patience" = spent ]; then
        echo "candidate $named" # else its pod is there, and begins when its own patience is spent
    else
        echo "wait for pod $named, the master"
    fi
}

decide_read() {
    me='' volume='' patience='' late=no pods=0
    while read -r kind who what arg more; do
        case $kind in
            end) break ;;
            me) me=$who ;;
            volume) volume=$who ;;
            patience)
                patience=$who
                case $who in gone | over) late=yes ;; *) late=no ;; esac
                ;;
            sentinel)
                eval "sentinel_$who=\$what word_$who=\$arg epoch_$who=\${more:-0}"
                pods=$((pods + 1))
                ;;
            server) eval "server_$who=\$what" ;;
        esac
    done
}

# What the facts come to: the latest word is that of the highest epoch; at the same one, that of most.
decide_weigh() {
    heard=0 knowing=0 others_ignorant=0 masters=0 electable=0 unseen=0 latest=-1 votes=0 named=''
    majority=$((pods / 2 + 1))
    i=0
    while [ "$i" -lt "$pods" ]; do
        decide_count_sentinel "$i"
        [ "$i" -eq "$me" ] || decide_count_server "$i"
        i=$((i + 1))
    done
    i=0
    while [ "$i" -lt "$pods" ]; do
        decide_count_votes "$i"
        i=$((i + 1))
    done
    named_server=down named_sentinel=away
    case $named in
        '' | - | tied) ;;
        *) eval "named_server=\${server_$named:-down} named_sentinel=\$sentinel_$named" ;;
    esac
}

decide_count_sentinel() {
    eval "said=\$sentinel_$1 epoch=\$epoch_$1"
    [ "$said" = away ] || heard=$((heard + 1))
    case $said in
        names)
            knowing=$((knowing + 1))
            [ "$epoch" -le "$latest" ] || latest=$epoch
            ;;
        ignorant) [ "$1" -eq "$me" ] || others_ignorant=$((others_ignorant + 1)) ;;
    esac
}

decide_count_server() {
    eval "said=\$server_$1"
    case $said in
        master) masters=$((masters + 1)) ;;
        electable) electable=$((electable + 1)) ;;
        away) unseen=$((unseen + 1)) ;;
    esac
}

decide_count_votes() {
    eval "said=\$sentinel_$1 word=\$word_$1 epoch=\$epoch_$1"
    if [ "$said" != names ] || [ "$epoch" -ne "$latest" ]; then return 0; fi
    count=0 j=0
    while [ "$j" -lt "$pods" ]; do
        eval "other=\$sentinel_$j other_word=\$word_$j other_epoch=\$epoch_$j"
        if [ "$other" = names ] && [ "$other_word" = "$word" ] && [ "$other_epoch" -eq "$latest" ]; then
            count=$((count + 1))
        fi
        j=$((j + 1))
    done
    if [ "$count" -gt "$votes" ]; then
        votes=$count named=$word
    elif [ "$count" -eq "$votes" ] && [ "$named" != "$word" ]; then
        named=tied
    fi
}
