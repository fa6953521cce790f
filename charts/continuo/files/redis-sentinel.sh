#!/bin/sh
# Starts a pod's Sentinel. It remembers on the volume; without a memory it knows no master until this pod's data
# server tells it (redis-start.sh), or reads it from the configuration of a data server that ran here.
set -eu
here=$(dirname "$0")
. "$here/redis-ask.sh"
. "$here/redis-config.sh"
umask 077

write_sentinel_config
exec "$REDIS_SERVER" "$sentinel_conf" --sentinel
