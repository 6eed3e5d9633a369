#!/bin/sh
# Start a real Slurm on this machine, from Debian's packages; for `make test-slurm`. Needs root.
# It shows this machine as two nodes, and with more cores than there are: a job that submits jobs, and a second user's
# tests, must not wait for each other.
set -eu
if ! command -v slurmctld > /dev/null; then
    apt-get update -q
    apt-get install -q -y slurm-wlm munge
fi
# The nodes of a job call each other by Slurm's names for them.
for name in one two; do
    getent hosts "$name" > /dev/null || echo "127.0.0.1 $name" >> /etc/hosts
done
if sinfo > /dev/null 2>&1; then exit 0; fi

mkdir -p /run/munge /var/lib/slurm /var/log/slurm
chown munge: /run/munge
cat > /etc/slurm/slurm.conf << CONF
ClusterName=one
SlurmctldHost=$(hostname -s)
SlurmUser=root
AuthType=auth/munge
StateSaveLocation=/var/lib/slurm
SlurmdSpoolDir=/var/lib/slurm/slurmd-%n
SlurmctldLogFile=/var/log/slurm/slurmctld.log
SlurmdLogFile=/var/log/slurm/slurmd-%n.log
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd-%n.pid
SlurmdParameters=config_overrides
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
AccountingStorageType=accounting_storage/none
ReturnToService=2
NodeName=one,two NodeHostname=$(hostname -s) NodeAddr=127.0.0.1 Port=[17001-17002] CPUs=8 RealMemory=16000 State=UNKNOWN
PartitionName=debug Nodes=ALL Default=YES MaxTime=INFINITE State=UP
CONF
su munge -s /bin/sh -c munged
slurmctld
slurmd -N one
slurmd -N two
for _ in $(seq 60); do
    if sinfo --noheader --format=%t 2> /dev/null | grep -q idle; then exit 0; fi
    sleep 1
done
echo "Slurm did not come up; see /var/log/slurm" >&2
exit 1
