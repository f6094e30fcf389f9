#!/bin/sh
# Boots one host in this process' own mount namespace; replaced by systemd-nspawn at the end. Everything it mounts
# goes with the namespace.
#   host.sh NAME WORK BRIDGE DISK TREE…   WORK: an empty directory; DISK: becomes /var/lib/baton and stays;
#                                         TREEs: directories laid over this machine's own files, the last on top
set -eu
name=$1 work=$2 bridge=$3 disk=$4
shift 4

# systemd inside wants one cgroup-v2 tree, whatever the outer machine has.
umount -R /sys/fs/cgroup
mount -t cgroup2 cgroup2 /sys/fs/cgroup
mkdir -p "/sys/fs/cgroup/$name"
echo $$ > "/sys/fs/cgroup/$name/cgroup.procs"

# Layers of an overlay may not contain one another, so the trees are copied.
mount -t tmpfs -o mode=755 tmpfs "$work"
mkdir "$work/upper" "$work/scratch" "$work/root"
for tree in "$@"; do
        cp -a "$tree/." "$work/upper/"
done
mount -t overlay -o "lowerdir=/,upperdir=$work/upper,workdir=$work/scratch" overlay "$work/root"

exec systemd-nspawn --quiet --register=no --keep-unit -D "$work/root" --machine="$name" \
        --network-bridge="$bridge" --bind="$disk:/var/lib/baton" --console=pipe -b
