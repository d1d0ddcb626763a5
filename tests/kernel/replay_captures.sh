#!/bin/bash
# SPDX-License-Identifier: MIT
# Real captures of every protocol, played by iou replay and recorded by iou record at
# the other end: the same packets, byte for byte, in order. And what was recorded,
# played and recorded again is the same again, over veth and over a NIC, from a file,
# a drive and another drive. With "nic" over the NIC alone, and of every third capture.
set -u

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
# shellcheck source=tests/kernel/lib/captures.sh
. "$here/lib/captures.sh"
drives=(/dev/nvme?n1)
[ -b "${drives[1]-}" ] || skip_all "no two NVMe drives"

dir=$(mktemp -d)
trap 'ip link del capt0 2>/dev/null; rm -rf "$dir"' EXIT
echo 100000 >/proc/sys/net/core/netdev_max_backlog

# told COMMAND...: what it says are comments, more of them if it fails.
told() {
	local status=0 lines=3
	"$@" >"$dir/said" 2>&1 || status=$?
	[ $status = 0 ] || lines=40
	comment "$dir/said" $lines
	return $status
}

has_link() { [ "$(cat "/sys/class/net/$1/carrier")" = 1 ]; }
links_up() {
	for i; do
		echo 1 >"/proc/sys/net/ipv6/conf/$i/disable_ipv6"
		ip link set "$i" arp off mtu $mtu up || return 1
		# What two CPUs receive at once would be in any order.
		echo 1 >"/sys/class/net/$i/queues/rx-0/rps_cpus"
	done
	# A NIC takes seconds for that.
	for i; do
		until_true 20 has_link "$i" || return 1
	done
}

# record FROM TO: FROM is played on $tx, what $rx receives is recorded on TO
record() {
	local pid
	: >"$dir/err"
	iou record --net "$rx" --rx handler --promisc --force --json --memory 64M \
		--to "$2" >"$dir/json" 2>"$dir/err" &
	pid=$!
	if ! until_records $pid "$dir/err"; then
		cat "$dir/err"
		return 1
	fi
	iou replay --from "$1" --net "$tx" --pps "$pps" --quiet --json >"$dir/played" || {
		cat "$dir/played"
		kill -INT $pid
		return 1
	}
	pause 0.5
	kill -INT $pid
	wait $pid || { cat "$dir/err"; return 1; }
	jq -e ".sent == $packets and .not_sent.total == 0 and .packets == $packets" \
		"$dir/played" >/dev/null || { jq -c . "$dir/played"; return 1; }
	jq -e ".received == $packets and .dropped.total == 0" "$dir/json" >/dev/null ||
		{ jq -c . "$dir/json"; return 1; }
	jq -r '"\(.sent) packets from \(.source_path), \(.sent_copied) copied on their way out"' \
		"$dir/played"
}

# same WHAT TARGET: the packets there are those that were sent
same() {
	iou cat "$2" >"$dir/got" || return 1
	"$here/capcmp" ${pads:+"$pads"} "$sent" "$dir/got"
}

# all WHAT: from the capture to the first drive, from there to the second, and back
all() {
	ok "$1: a file, recorded" told record "$sent" "${drives[0]}"
	ok "$1: the same bytes in the same order" told same "$1" "${drives[0]}"
	ok "$1: the recording, recorded" told record "${drives[0]}" "${drives[1]}"
	ok "$1: the same again" told same "$1" "${drives[1]}"
}

every=1
pads=
# What is shorter than an Ethernet frame a NIC makes one.
[ "${1-}" != nic ] || { every=3 pads=-p; }
ok "captures are merged" told merge_captures $every
if [ -n "$pads" ]; then
	# QEMU's e1000e fills in the length of IPv6 packets that do not say it.
	tcpdump -r "$sent" -w "$dir/kept" 'not (ip6 and ip6[4:2] = 0)' 2>/dev/null
	mv "$dir/kept" "$sent"
	tcpdump --count -r "$sent" >"$dir/said" 2>/dev/null
fi
read -r packets _ <"$dir/said"
[ "${packets:-0}" -gt 0 ] || exit 1
pps=${IOU_PPS:-4000}

if [ "${1-}" != nic ]; then
	ip link add capt0 type veth peer name capt1 || exit 1
	links_up capt0 capt1
	rx=capt0
	tx=capt1
	all veth
fi

nics=()
for i in /sys/class/net/*; do
	! grep -q ^52:54:00:12:34: "$i/address" || nics+=("${i##*/}")
done
if [ ${#nics[@]} -ge 2 ]; then
	rx=${nics[0]}
	tx=${nics[1]}
	links_up "$rx" "$tx"
	all NIC
else
	skip "NIC" "no two NICs on a hub"
fi
done_testing
