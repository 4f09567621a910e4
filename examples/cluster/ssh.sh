#!/bin/bash
# Runs a command on the chunks of a file, on several machines, with GNU parallel and ssh.
#
#   ssh.sh SHARED LOGINS FILE OUTPUT COMMAND [ARG]...
#
# SHARED is a directory that all machines have under this path. LOGINS are those of parallel, such as
# 8/alpha,16/beta. The outputs are joined in order. OUTPUT is replaced if every command succeeds.
# TMPX_CHUNK_SIZE is the size of a chunk. PARALLEL_SSH is the ssh command, with its options.
#
# The test of this script runs on one machine. It shows that the result is right, not how this scales.
set -euo pipefail

shared=$1 logins=$2 file=$3 output=$4
shift 4

session=ssh-$(hostname)-$$
trap 'tmpx cleanup --quiet --session "$session"' EXIT
list=$(tmpx file --ttl 1d --session "$session")
tmpx chunk --bytes "${TMPX_CHUNK_SIZE:-1G}" -p "$shared" --ttl 1d --session "$session" "$file" >"$list"
printf -v command '%q ' "$@"
tmpx replace "$output" -- parallel --keep-order --halt now,fail=1 --sshlogin "$logins" -a "$list" "$command< {}"
