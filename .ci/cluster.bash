# shellcheck shell=bash
# Runs the examples for clusters on this machine: an sshd of its own, and a Slurm of one node. It shows that
# they are right, not how they scale. Needs root. The binary is the first argument.
set -euo pipefail

binary=$(realpath "$1")
examples=$(realpath "$(dirname "$0")/../examples/cluster")
work=$(mktemp -d)
servers=()
# Called by the trap.
# shellcheck disable=SC2317,SC2329
end() {
    local status=$?
    [ ${#servers[@]} -eq 0 ] || kill "${servers[@]}" 2>/dev/null || true
    wait
    [ "$status" -eq 0 ] || tail -n 20 "$work"/*.log >&2
    rm -rf "$work"
}
trap end EXIT
fail() {
    printf 'failed: %s\n' "$*" >&2
    exit 1
}
# Waits up to ten seconds for a command to succeed.
until_succeeds() {
    local left=100
    until "$@" >/dev/null 2>&1; do
        left=$((left - 1))
        [ "$left" -gt 0 ] || fail "waited in vain for: $*"
        sleep 0.1
    done
}

mkdir -p "$work"/{bin,home,tmp,shared}
ln -s "$binary" "$work/bin/tmpx"
export PATH=$work/bin:$PATH HOME=$work/home TMPDIR=$work/tmp TMPX_STATE_DIR=$work/state TMPX_CHUNK_SIZE=64K
{
    echo n,text
    seq -f '%.0f,"a
b"' 30000
} >"$work/big.csv"
# The records without the header, as the commands print them.
tail -n +2 "$work/big.csv" | tr '[:lower:]' '[:upper:]' >"$work/expected"
printf '#!/bin/sh\ntail -n +2 | tr [:lower:] [:upper:]\n' >"$work/command"
printf '#!/bin/sh\ngrep -q "^9000," && exit 3\nexit 0\n' >"$work/failing"
chmod +x "$work/command" "$work/failing"

# Runs an example with a command that succeeds and with one that fails, and on a file without a byte.
check() {
    local output=$work/output
    rm -f "$output"
    "$@" "$work/big.csv" "$output" "$work/command"
    cmp "$output" "$work/expected"
    if "$@" "$work/big.csv" "$output" "$work/failing" 2>"$work/failure.log"; then
        fail 'a command failed unnoticed'
    fi
    cmp "$output" "$work/expected"
    : >"$work/empty.csv"
    "$@" "$work/empty.csv" "$output" "$work/command"
    cmp "$output" "$work/empty.csv"
    tmpx cleanup --quiet
    local left
    left=$(find "$work/shared" "$work/tmp" -mindepth 1)
    [ -z "$left" ] || fail "left: $left"
}

ssh-keygen -q -t ed25519 -N '' -f "$work/host"
ssh-keygen -q -t ed25519 -N '' -f "$work/key"
mkdir -p /run/sshd
"$(command -v sshd || echo /usr/sbin/sshd)" -D -e -f /dev/null -p 22022 -h "$work/host" -o ListenAddress=127.0.0.1 \
    -o "AuthorizedKeysFile=$work/key.pub" -o StrictModes=no -o PidFile=none -o UsePAM=no 2>"$work/sshd.log" &
servers+=($!)
printf '[127.0.0.1]:22022 %s\n' "$(cat "$work/host.pub")" >"$work/known_hosts"
export PARALLEL_SSH="ssh -p 22022 -i $work/key -o UserKnownHostsFile=$work/known_hosts"
# shellcheck disable=SC2086 # the command has options
until_succeeds $PARALLEL_SSH -o BatchMode=yes 127.0.0.1 true
check "$examples/ssh.sh" "$work/shared" 2/127.0.0.1
echo 'ssh: equal'

mkdir -p "$work/slurm"/{spool,state} "$work/munge"
chmod 700 "$work/munge"
chown -R munge: "$work/munge"
chmod 711 "$work"
head -c 1024 /dev/urandom >"$work/munge/key"
chown munge: "$work/munge/key"
chmod 400 "$work/munge/key"
cat >"$work/slurm/slurm.conf" <<CONF
ClusterName=tmpx
SlurmctldHost=$(hostname -s)(127.0.0.1)
SlurmUser=root
SlurmctldPort=26817
SlurmdPort=26818
AuthType=auth/munge
AuthInfo=socket=$work/munge/socket
CredType=cred/munge
StateSaveLocation=$work/slurm/state
SlurmdSpoolDir=$work/slurm/spool
SlurmctldPidFile=$work/slurm/slurmctld.pid
SlurmdPidFile=$work/slurm/slurmd.pid
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
MpiDefault=none
ReturnToService=2
SchedulerParameters=sched_min_interval=100000,batch_sched_delay=0
NodeName=$(hostname -s) NodeAddr=127.0.0.1 CPUs=$(nproc) State=UNKNOWN
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
export SLURM_CONF=$work/slurm/slurm.conf
setpriv --reuid=munge --regid=munge --clear-groups munged --foreground --force --key-file="$work/munge/key" \
    --socket="$work/munge/socket" --pid-file="$work/munge/pid" --seed-file="$work/munge/seed" \
    --log-file="$work/munge/log" 2>"$work/munged.log" &
servers+=($!)
until_succeeds test -S "$work/munge/socket"
slurmctld -D >"$work/slurmctld.log" 2>&1 &
servers+=($!)
slurmd -D -N "$(hostname -s)" >"$work/slurmd.log" 2>&1 &
servers+=($!)
idle() { sinfo --noheader --format=%t | grep -q idle; }
until_succeeds idle
check bash "$examples/slurm.sbatch" "$work/shared"
echo 'slurm: equal'
