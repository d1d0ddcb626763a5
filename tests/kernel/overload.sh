#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# More packets than the drive takes: what was sent is recorded, filtered, or
# counted as dropped with its reason. Nothing is unaccounted for.
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

for need in tcpreplay tcpdump jq dmsetup; do
	command -v $need >/dev/null || skip_all "$need is not installed"
done
modprobe configfs
mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
modprobe null_blk nr_devices=0 || skip_all "no null_blk"

dir=$(mktemp -d)
null=/sys/kernel/config/nullb/ioutslow
clean_up() {
	ip link del over0 2>/dev/null
	[ ! -d $null ] || { echo 0 >$null/power; rmdir $null; }
	rm -rf "$dir"
}
trap clean_up EXIT

# A drive that does one thing at a time and takes 50 ms for it: not more than
# 640 frames a second in writes of 128 KiB.
mkdir $null || exit 1
for setting in memory_backed=1 size=512 blocksize=4096 submit_queues=1 \
	hw_queue_depth=1 irqmode=2 completion_nsec=50000000 power=1; do
	echo "${setting#*=}" >"$null/${setting%%=*}" || exit 1
done
drive=/dev/nullb$(cat $null/index)
[ -b "$drive" ] || drive=/dev/ioutslow
[ -b "$drive" ] || skip_all "no null_blk device"

# 3000 packets, every third is UDP
sent_file=$here/lib/flood.pcap

sent_on() { cat "/sys/class/net/$1/statistics/tx_packets"; }

# record OPTION...: sends as fast as it goes, ROUNDS times all packets
record() {
	local pid before
	: >"$dir/err"
	iou record --net "$rx" --to "$drive" --force --json --memory 4M "$@" \
		>"$dir/json" 2>"$dir/err" &
	pid=$!
	if ! until_records $pid "$dir/err"; then
		comment "$dir/err"
		return 1
	fi
	before=$(sent_on "$tx")
	tcpreplay -q -t -l 4 -i "$tx" "$sent_file" >"$dir/replay" 2>&1
	sent=$(($(sent_on "$tx") - before))
	pause 1
	kill -INT $pid
	wait $pid || { comment "$dir/err"; return 1; }
	jq -c '{received, recorded, filtered, dropped}' "$dir/json" | sed 's/^/# /'
}

# check WHAT: the sums of the last recording
check() {
	ok "$1: something was sent" [ "$sent" -ge 3000 ]
	ok "$1: the drive was too slow" jq -e '.dropped.total > 0' "$dir/json"
	ok "$1: something was recorded" jq -e '.recorded > 0' "$dir/json"
	ok "$1: received = recorded + filtered + dropped" jq -e \
		'.received == .recorded + .filtered + .dropped.total' "$dir/json"
	ok "$1: the reasons add up" jq -e \
		'.dropped.total == ([.dropped | to_entries[] | select(.key != "total") | .value] | add)' \
		"$dir/json"
	ok "$1: $sent sent = received" jq -e ".received == $sent" "$dir/json"
	iou cat "$drive" 2>"$dir/err" | tcpdump --count -nr - 2>/dev/null >"$dir/said"
	ok "$1: as many packets can be read back" \
		[ "$(awk '{ print $1 }' "$dir/said")" = "$(jq .recorded "$dir/json")" ]
}

run() {
	local what=$1
	shift
	ok "$what: recorded" record "$@" || return
	check "$what"
}

ip link add over0 type veth peer name over1 || exit 1
for i in over0 over1; do
	echo 1 >/proc/sys/net/ipv6/conf/$i/disable_ipv6
	ip link set $i arp off up
done
rx=over0
tx=over1
run "veth, AF_XDP" --rx xsk
run "veth, rx handler" --rx handler
run "veth, AF_XDP, filter" --rx xsk --filter udp
run "veth, rx handler, filter" --rx handler --filter udp
done_testing
