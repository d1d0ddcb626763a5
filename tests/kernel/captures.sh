#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# Real captures of every protocol, replayed, recorded by iou record,
# read back by iou cat: the same packets, byte for byte, in order. Over veth and
# over a NIC, to an NVMe drive, without and with filters and programs.
set -u

here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"
# shellcheck source=tests/kernel/lib/captures.sh
. "$here/lib/captures.sh"
# shellcheck source=tests/kernel/lib/drive.sh
. "$here/lib/drive.sh"
bpf=${IOU_BPF:-/usr/lib/io_unified/bpf}

for need in tcpdump capinfos tshark jq; do
	command -v $need >/dev/null || skip_all "$need is not installed"
done
drive_of 512 || skip_all "no NVMe drive with blocks of 512 bytes"

dir=$(mktemp -d)
trap 'ip link del capt0 2>/dev/null; rm -rf "$dir"' EXIT

# told COMMAND...: what it says are comments, more of them if it fails.
told() {
	local status=0 lines=5
	"$@" >"$dir/said" 2>&1 || status=$?
	[ $status = 0 ] || lines=40
	comment "$dir/said" $lines
	return $status
}

# check NAME COMMAND...
check() { ok "$1" told "${@:2}"; }

links_up() {
	for i; do
		echo 1 >"/proc/sys/net/ipv6/conf/$i/disable_ipv6"
		ip link set "$i" arp off mtu $mtu up || return 1
	done
}

# record OPTION...: records $sent, which is sent on $tx, received on $rx.
record() {
	local pid
	: >"$dir/err"
	iou record --net "$rx" --promisc --force --json --memory 64M "$@" \
		>"$dir/json" 2>"$dir/err" &
	pid=$!
	if ! until_records $pid "$dir/err"; then
		cat "$dir/err"
		return 1
	fi
	"$here/replay" "$tx" "$rx" "$sent" || return 1
	pause 0.5
	kill -INT $pid
	wait $pid || { cat "$dir/err"; return 1; }
	grep -E '^(net|drive|memory)' "$dir/err"
	jq -e ".received == $packets and .dropped.total == 0" "$dir/json" >/dev/null ||
		{ jq -c . "$dir/json"; return 1; }
}

# no_complaints COMMAND...: silent on stderr, exit status 0
no_complaints() {
	"$@" >"$dir/out" 2>"$dir/complaints" || { cat "$dir/complaints"; return 1; }
	grep -v '^Running as user "root"' "$dir/complaints" && return 1
	return 0
}

# counted FILE PACKETS: capinfos takes it and sees so many packets
counted() {
	no_complaints capinfos -T -r -c "$1" || return 1
	[ "$(awk '{ print $NF }' "$dir/out")" = "$2" ] ||
		{ echo "capinfos: $(cat "$dir/out"), not $2"; return 1; }
}

# for_tshark FILE PACKETS: to be read by it in the end, as a section of one file, since
# it takes ten seconds to start
in_tshark=0
for_tshark() {
	cat "$1" >>"$dir/tshark.pcapng"
	in_tshark=$((in_tshark + $2))
}
readable() {
	no_complaints tshark -n -r "$dir/tshark.pcapng" -T fields -e frame.number || return 1
	[ "$(wc -l <"$dir/out")" = "$in_tshark" ] ||
		{ echo "tshark: $(wc -l <"$dir/out") packets, not $in_tshark"; return 1; }
}

# packets_of FILE
packets_of() { capinfos -T -r -c "$1" 2>/dev/null | awk '{ print $NF }'; }

# back TARGET...: reads the recordings back into $dir/got*
back() {
	local i=0
	rm -f "$dir"/got*
	for t; do
		iou cat "$t" >"$dir/got$i" 2>"$dir/complaints" || return 1
		[ ! -s "$dir/complaints" ] || { cat "$dir/complaints"; return 1; }
		i=$((i + 1))
	done
}

# recorded WHAT EXPECTED OPTION...: one recording and all that is asked of it
recorded() {
	local what=$1 expected=$2 wanted
	shift 2
	check "$what: recorded" record --to "$drive" "$@"
	check "$what: read back" back "$drive"
	check "$what: same bytes, same order" "$here/capcmp" "$expected" "$dir/got0"
	wanted=$(packets_of "$expected")
	check "$what: capinfos" counted "$dir/got0" "$wanted"
	case $what in
	veth | NIC | *five_tuple) for_tshark "$dir/got0" "$wanted" ;;
	esac
}

# select EXPRESSION: what tcpdump selects of all that was sent
select_packets() {
	tcpdump -r "$sent" -w "$dir/expected" "$1" 2>/dev/null
}

filtered() {
	select_packets "$1"
	recorded "veth, filter '$1'" "$dir/expected" --filter "$1"
}

check "captures are merged" merge_captures
packets=$(packets_of "$sent")
grep 'left out' "$dir/manifest" | sed 's/^[^:]*: //; s/^[0-9]* packets/packets/' |
	sort | uniq -c | sort -rn | sed 's/^/# /'
[ "$packets" -gt 0 ] || exit 1

ip link add capt0 type veth peer name capt1 || exit 1
links_up capt0 capt1
rx=capt0
tx=capt1
recorded "veth" "$sent"
recorded "veth, rx handler" "$sent" --rx handler
for filter in udp 'tcp or icmp' ip6 vlan 'ether multicast and greater 100' \
	'net 10.0.0.0/8 and not arp'; do
	filtered "$filter"
done

select_packets 'tcp port 179 or (vlan and tcp port 179)'
recorded "veth, five_tuple" "$dir/expected" --bpf "$bpf/five_tuple.bpf.o" \
	--set proto=6 --set port=179

windows=() to=()
for i in 0 1 2 3; do
	windows+=("$drive,$((i * 64))M,64M")
	to+=(--to "$drive,$((i * 64))M,64M")
done
check "veth, placer: recorded" record "${to[@]}" --bpf "$bpf/placer.bpf.o"
check "veth, placer: read back" back "${windows[@]}"
check "veth, placer: each packet once, in order, each flow in one window" \
	"$here/capcmp" "$sent" "$dir"/got[0-3]
for i in 0 1 2 3; do
	check "veth, placer: capinfos, window $i" counted "$dir/got$i" \
		"$(jq ".targets[$i].recorded" "$dir/json")"
done

nics=()
for i in /sys/class/net/*; do
	! grep -q ^52:54:00:12:34: "$i/address" || nics+=("${i##*/}")
done
if [ ${#nics[@]} -ge 2 ]; then
	rx=${nics[0]}
	tx=${nics[1]}
	links_up "$rx" "$tx"
	# The default may be a queue per flow, which changes the order.
	tc qdisc replace dev "$tx" root pfifo limit 10000 || exit 1
	recorded "NIC" "$sent"
	recorded "NIC, rx handler" "$sent" --rx handler
else
	skip "NIC" "no two NICs on a hub"
fi
check "tshark reads the recordings" readable
done_testing
