#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# The other VM of remote_vms.sh: its drive is a namespace that it serves over TCP,
# until somebody kills it.
set -u
# shellcheck source=tests/kernel/lib/remote.sh
. "$(dirname "$(readlink -f "$0")")/lib/remote.sh"

ip addr add 10.66.0.2/24 dev eth0 && ip link set eth0 mtu 9000 up || exit 1
mount_configfs
modprobe -a nvmet nvmet-tcp || exit 1
export_disk /dev/nvme0n1 tcp 10.66.0.2 || exit 1
echo "serving"
exec sleep infinity
