#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Remote namespaces, of the kernel's own target over TCP and over nvme-loop, with
# native multipath and without: ops, and what becomes of them when the connection
# goes, comes back, or does not. A memory-backed null_blk is at the other end.
set -u
# shellcheck source=tests/tap.sh
. "$(dirname "$(readlink -f "$0")")/../tap.sh"

here=$(dirname "$(readlink -f "$0")")
nqn=iou-remote
null=/sys/kernel/config/nullb/iour
nvmet=/sys/kernel/config/nvmet

# -------------------------------------------------------------------- target

port_up() { ln -s $nvmet/subsystems/$nqn $nvmet/ports/1/subsystems/$nqn; }
port_down() { rm $nvmet/ports/1/subsystems/$nqn; }

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
	mkdir $nvmet/subsystems/$nqn $nvmet/subsystems/$nqn/namespaces/1 \
		$nvmet/ports/1 || return 1
	echo 1 >$nvmet/subsystems/$nqn/attr_allow_any_host
	echo -n "$disk" >$nvmet/subsystems/$nqn/namespaces/1/device_path
	echo 1 >$nvmet/subsystems/$nqn/namespaces/1/enable || return 1
	echo "$1" >$nvmet/ports/1/addr_trtype || return 1
	if [ "$1" = tcp ]; then
		echo ipv4 >$nvmet/ports/1/addr_adrfam
		echo 127.0.0.1 >$nvmet/ports/1/addr_traddr
		echo 4420 >$nvmet/ports/1/addr_trsvcid
	fi
	port_up
}

# ----------------------------------------------------------------- initiator

# Not the hidden paths behind a multipath head.
find_dev() {
	local d
	for d in /sys/block/nvme*n*; do
		case ${d##*/} in nvme*c*n*) continue ;; esac
		[ "$(cat "$d/device/subsysnqn" 2>/dev/null)" = $nqn ] || continue
		dev=/dev/${d##*/}
		[ -b "$dev" ] && return
	done
	return 1
}
no_dev() { ! find_dev; }

# connect TRANSPORT SECONDS: how long to try when the connection is lost. A loop
# has none to lose: without its target it goes.
connect() {
	local how="nqn=$nqn,transport=$1"
	[ "$1" != tcp ] ||
		how=$how,traddr=127.0.0.1,trsvcid=4420,keep_alive_tmo=5,reconnect_delay=1,ctrl_loss_tmo=$2
	echo "$how" >/dev/nvme-fabrics && until_true 20 find_dev
}
disconnect() {
	local c
	for c in /sys/class/nvme/nvme*; do
		[ "$(cat "$c/subsysnqn" 2>/dev/null)" = $nqn ] || continue
		echo 1 >"$c/delete_controller"
	done
	until_true 20 no_dev
}

# ------------------------------------------------------------------------ ops

# io_start bio|"": in the background, until io_end
io_start() {
	: >"$dir/io"
	# shellcheck disable=SC2086 # none or one
	"$here/remote_io" "$dev" $1 <"$dir/go" >"$dir/io" 2>&1 &
	pid=$!
	exec 7>"$dir/go"
	until_true 30 more_than 0
}
io_end() {
	local status
	exec 7>&-
	wait "$pid"
	status=$?
	sed -n '/^good/!{ s/^#* */# /; p }; ${ s/^#* */# /; p }' "$dir/io"
	[ $status = 0 ] || echo "# exit status $status"
	return $status
}
# count: sets good and bad to what it said last.
count() {
	local word n rest
	good=0 bad=0
	while read -r word n _ rest; do
		[ "$word" != good ] || good=$n bad=${rest%% *}
	done <"$dir/io"
}
some_failed() { count && [ "$bad" -gt 0 ]; }
none_failed() { count && [ "$bad" = 0 ]; }
path_is() { grep -q "^path $1\$" "$dir/io"; }
more_than() { count && [ "$good" -gt "$1" ]; }
runs() { count && until_true 60 more_than $((good + 50)); }

# outage: away for some seconds, and there again, twice
outage() {
	local n
	for n in 1 2; do
		port_down || return 1
		pause $((n * 2))
		port_up || return 1
		runs || return 1
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
		ok "$what, ${way:-best}: ops" io_start "$way"
		ok "$what, ${way:-best}: path" path_is $want
		if [ "$1" = tcp ]; then
			ok "$what, ${way:-best}: goes on after an outage" outage
		else
			ok "$what, ${way:-best}: goes on" runs
		fi
		ok "$what, ${way:-best}: right data, none lost" io_end
		# A multipath head keeps bios until there is a path. Without one they
		# are tried again five times, and requests of passthrough never.
		if [ "$1 $2" != "tcp N" ]; then
			ok "$what, ${way:-best}: no op failed" none_failed
		elif [ $want = passthrough ]; then
			ok "$what, ${way:-best}: the outage was told" some_failed
		fi
	done
	disconnect

	# It does not come back: ops end, all of them, and so does the device.
	if ! connect "$1" 3; then
		ok "$what: connected again" false
	else
		io_start ""
		port_down
		ok "$what: gone for good" until_true 60 no_path
		ok "$what: ops end" until_true 60 some_failed
		ok "$what: right data, none lost" io_end
	fi
	target_down
}
no_path() {
	local c
	for c in /sys/class/nvme/nvme*; do
		[ "$(cat "$c/subsysnqn" 2>/dev/null)" != $nqn ] || return 1
	done
}

# multipath Y|N: nvme_core is asked when it is loaded
multipath() {
	local module
	[ "$(cat /sys/module/nvme_core/parameters/multipath 2>/dev/null)" != "$1" ] ||
		return 0
	rmmod io_unified || return 1
	for module in nvme-loop nvmet-tcp nvmet nvme-tcp nvme-fabrics nvme; do
		modprobe -q -r $module
	done
	modprobe -q -r nvme_core
	modprobe nvme_core multipath="$1"
	modprobe nvme
	modprobe io_unified
	[ "$(cat /sys/module/nvme_core/parameters/multipath)" = "$1" ]
}

dir=$(mktemp -d)
mkfifo "$dir/go"
# shellcheck disable=SC2317 # called by the trap
cleanup() {
	target_down
	multipath "$before"
	rm -rf "$dir"
}
modprobe -q configfs
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
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
