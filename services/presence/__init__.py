"""The porter: clears away what dead nodes left behind, and announces who is really gone.

Connection pods write the roster themselves; this service only ends what they can't: the seats of a pod that
died, and the leaves whose grace is over. Any number of replicas run at once; the scripts in Redis decide
which one of them a change is by. Nothing is lost when none runs: departures wait, and are announced late.
"""
