#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Remote namespaces, of the kernel's own target over TCP and over nvme-loop, with
# native multipath and without: ops, and what becomes of them when the connection
# goes, comes back, or does not. A memory-backed null_blk is at the other end.
set -u
# shellcheck source=tests/tap.sh
. "$(dirname "$(readlink -f "$0")")/../tap.sh"
# shellcheck source=tests/kernel/lib/remote.sh
. "$(dirname "$(readlink -f "$0")")/lib/remote.sh"

null=/sys/kernel/config/nullb/iour

target_down() {
	disconnect
	[ ! -e $nvmet/ports/1/subsystems/$nqn ] || port_down
	rmdir $nvmet/ports/1 2>/dev/null
	if [ -d $nvmet/subsystems/$nqn ]; then
		echo 0 >$nvmet/subsystems/$nqn/namespaces/1/enable
		rmdir $nvmet/subsystems/$nqn/namespaces/1 $nvmet/subsystems/$nqn
	fi
	if [ -d $null ]; then
		echo 0 >$null/power
		rmdir $null
	fi
}

# target_up TRANSPORT
target_up() {
	local disk kv
	mkdir $null || return 1
	for kv in blocksize=512 size=32 memory_backed=1 power=1; do
		echo ${kv#*=} >$null/${kv%%=*} || return 1
	done
	disk=/dev/iour
	[ -b $disk ] || disk=/dev/nullb$(cat $null/index)
	export_disk "$disk" "$1" 127.0.0.1
}

# connect TRANSPORT SECONDS
connect() {
	case $1 in
	tcp) connect_tcp 127.0.0.1 "$2" ;;
	loop) connect_loop ;;
	esac
}

# outage: away for some seconds, and there again, twice
outage() {
	local n
	for n in 1 2; do
		port_down || return 1
		pause $((n * 2))
		port_up || return 1
		runs io || return 1
	done
}

# ways TRANSPORT MULTIPATH: all of it
ways() {
	local what="$1, multipath $2" way want
	modprobe "nvme-$1" 2>/dev/null
	if ! target_up "$1"; then
		ok "$what: target" false
		target_down
		return
	fi
	if ! connect "$1" 60; then
		ok "$what: connected" false
		target_down
		return
	fi
	want=passthrough
	[ "$2" = N ] || want=bio
	for way in "" bio; do
		[ -z "$way" ] || want=bio
		# shellcheck disable=SC2086 # none or one
		ok "$what, ${way:-best}: ops" io_start io $way
		ok "$what, ${way:-best}: path" path_is io $want
		if [ "$1" = tcp ]; then
			ok "$what, ${way:-best}: goes on after an outage" outage
		else
			ok "$what, ${way:-best}: goes on" runs io
		fi
		ok "$what, ${way:-best}: right data, none lost" io_end io
		# A multipath head keeps bios until there is a path. Without one they
		# are tried again five times, and requests of passthrough never.
		if [ "$1 $2" != "tcp N" ]; then
			ok "$what, ${way:-best}: no op failed" none_failed io
		elif [ $want = passthrough ]; then
			ok "$what, ${way:-best}: the outage was told" some_failed io
		fi
	done
	disconnect

	# It does not come back: ops end, all of them, and so does the device.
	if ! connect "$1" 3; then
		ok "$what: connected again" false
	else
		io_start io
		port_down
		ok "$what: gone for good" until_true 60 no_path
		ok "$what: ops end" until_true 60 some_failed io
		ok "$what: right data, none lost" io_end io
	fi
	target_down
}

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	target_down
	multipath "$before"
	rm -rf "$dir"
}
mount_configfs
ip link set lo up
before=$(cat /sys/module/nvme_core/parameters/multipath)
trap cleanup EXIT

for m in Y N; do
	if ! multipath $m; then
		ok "nvme_core with multipath $m" false
		continue
	fi
	modprobe null_blk nr_devices=0
	modprobe -a nvmet nvmet-tcp nvme-fabrics
	ways tcp $m
	if modprobe -q nvme-loop; then
		ways loop $m
	else
		skip "loop, multipath $m" "no nvme-loop in this kernel"
	fi
done
done_testing
