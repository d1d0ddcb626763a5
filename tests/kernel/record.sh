#!/bin/bash
# SPDX-License-Identifier: MIT
# iou record and iou cat, for real: what is sent over a veth pair must be what
# readers find, on every NVMe drive there is, which is overwritten.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

iou=${IOU:-iou}
bpf=${IOU_BPF:-/usr/lib/io_unified/bpf}

missing=
for need in tcpdump capinfos tshark jq python3; do
	command -v $need >/dev/null || missing="$missing $need"
done
[ -z "$missing" ] || skip_all "not installed:$missing"
drives=(/dev/nvme?n1)
[ -b "${drives[0]}" ] || skip_all "no NVMe drive"
dev=${drives[0]}

dir=$(mktemp -d)
cleanup() {
	ip link del iou-a 2>/dev/null
	rm -rf "$dir"
}
trap cleanup EXIT
ip link add iou-a type veth peer name iou-b || exit 1
for i in iou-a iou-b; do
	sysctl -qw net.ipv6.conf.$i.disable_ipv6=1
	ip link set $i arp off up
done

# 1000 packets of 60 to 1459 bytes, of many flows in both directions
python3 - "$dir/sent.pcap" <<'END'
import struct, sys
out = open(sys.argv[1], "wb")
out.write(struct.pack("<IHHiIII", 0xa1b2c3d4, 2, 4, 0, 0, 65535, 1))
for i in range(1000):
    size = 60 + i * 7 % 1400
    flow = i // 2 % 50
    a, b = bytes([10, 0, 0, 1 + flow % 7]), bytes([10, 0, 1, 1 + flow % 5])
    ports = [1000 + flow, 53 if flow % 2 else 80]
    if i % 2:
        a, b = b, a
        ports.reverse()
    ip = struct.pack(">BBHHHBBH4s4s", 0x45, 0, size - 14, i, 0, 64, 17, 0, a, b)
    packet = b"\2\0\0\0\0\1\2\0\0\0\0\2\x08\0" + ip
    packet += struct.pack(">HHHH", *ports, size - 34, 0)
    packet += bytes([i & 255]) * (size - len(packet))
    out.write(struct.pack("<IIII", i, 0, size, size) + packet)
END

# choose EXPRESSION [COUNT]: the packets of what is sent that match it
choose() {
	tcpdump -w "$dir/chosen.pcap" -r "$dir/sent.pcap" ${2:+-c "$2"} "$1" 2>/dev/null
}

# record NAME SENDS ARGS...: records what is sent; its code is in $code, its
# totals in $dir/json. SENDS is a function that is called once it records.
record() {
	local send=$1 pid
	shift
	"$iou" record --net iou-b --json "$@" >"$dir/json" 2>"$dir/err" &
	pid=$!
	if ! until_records $pid "$dir/err"; then
		wait $pid
		code=$?
		comment "$dir/err"
		return 1
	fi
	$send $pid
	wait $pid
	code=$?
	[ $code = 0 ] || comment "$dir/err"
}
replay() { "$here/replay" iou-a iou-b "$dir/sent.pcap" >"$dir/replay"; }
replay_and_stop() {
	replay
	sleep 0.3
	kill -"${signal:-INT}" "$1"
}
# json EXPRESSION: is it true of the totals?
json() {
	jq -e "$1" "$dir/json" >/dev/null && return
	sed 's/^/# /' "$dir/json" | tr -d '\n'
	echo
	return 1
}
# read_back WINDOW: the recording on the device, to out.pcapng
read_back() {
	"$iou" cat "$dev$1" >"$dir/out.pcapng" 2>"$dir/cat" || return 1
	[ ! -s "$dir/cat" ] || comment "$dir/cat"
}
# equal CAPTURE CAPTURE...: the first has the packets of the others
equal() { "$here/capcmp" "$@" >"$dir/said"; }
# same CAPTURE [WINDOW]: the recording has exactly its packets
same() { read_back "${2-}" && equal "$1" "$dir/out.pcapng"; }

# everything, by each way to receive and each way to each drive
for dev in "${drives[@]}"; do
	for rx in xsk handler; do
		for io in passthrough bio; do
			what="$dev, $rx, $io"
			record replay_and_stop --to "$dev" --force --rx $rx --io $io
			ok "$what: exit code" test "$code" = 0
			ok "$what: totals" json '.recorded == 1000 and .received == 1000 and
				.filtered == 0 and .dropped.total == 0 and .ended == "signal"'
			ok "$what: the packets that were sent" same "$dir/sent.pcap"
		done
	done
done
dev=${drives[0]}
ok "path is as asked" json '.path == "rx-handler" and .storage_path == "bio"'
"$iou" cat "$dev" | capinfos - >"$dir/said" 2>"$dir/err"
ok "capinfos has no complaint" test ! -s "$dir/err"
"$iou" cat "$dev" | tcpdump --count -nr - >"$dir/said" 2>"$dir/err"
ok "tcpdump counts 1000" grep -q '^1000 packets' "$dir/said"
"$iou" cat "$dev" | tshark -r - >"$dir/said" 2>"$dir/err"
ok "tshark counts 1000" eval '[ "$(wc -l <"$dir/said")" = 1000 ]'

# over the former one, without --force
signal=TERM record replay_and_stop --to "$dev" --filter 'udp port 53'
ok "filter: exit code" test "$code" = 0
ok "filter: totals" json '.recorded == 500 and .filtered == 500 and .received == 1000'
choose 'udp port 53'
ok "filter: the packets that match" same "$dir/chosen.pcap"

record replay_and_stop --to "$dev" --bpf "$bpf/five_tuple.bpf.o" --set proto=17 --set port=80 \
	--dump-map verdicts
ok "five_tuple: totals" json '.recorded == 500 and .filtered == 500'
ok "five_tuple: map" json '.maps.verdicts[0].packets == 500 and .maps.verdicts[1].packets == 500'
choose 'udp port 80'
ok "five_tuple: the packets that match" same "$dir/chosen.pcap"

record replay --to "$dev" --count 300
ok "--count: ended by it" json '.ended == "count" and .recorded == 300'
choose ip 300
ok "--count: the first 300" same "$dir/chosen.pcap"

record replay --to "$dev" --size 1M
ok "--size: full" json '.ended == "full" and .recorded == 254 and .targets[0].recording_bytes == 1048576'
choose ip 254
ok "--size: the first 254" same "$dir/chosen.pcap"

record replay --to "$dev" --duration 4s
ok "--duration: ended by it" json '.ended == "duration" and .recorded == 1000 and .elapsed >= 4 and .elapsed < 7'

record replay_and_stop --to "$dev" --snaplen 100
ok "--snaplen: truncated" json '.recorded == 1000 and .truncated > 900'
"$iou" cat "$dev" | tshark -r - -T fields -e frame.cap_len -e frame.len 2>/dev/null |
	awk '$1 > 100 || ($2 < 100 && $1 != $2) { bad = 1 } { len += $2 } END { exit bad || NR != 1000 || !len }'
ok "--snaplen: 100 bytes, and what they were" test $? = 0

# a window, and what is around it stays
dd if=/dev/urandom of="$dir/noise" bs=1M count=1 status=none
dd if="$dir/noise" of="$dev" bs=1M seek=31 oflag=direct status=none
dd if="$dir/noise" of="$dev" bs=1M seek=48 oflag=direct status=none
record replay_and_stop --to "$dev,32M,16M" --force
ok "window: exit code" test "$code" = 0
ok "window: the packets" same "$dir/sent.pcap" ,32M
dd if="$dev" bs=1M skip=31 count=1 iflag=direct status=none | cmp -s - "$dir/noise"
ok "window: nothing before it was touched" test $? = 0
dd if="$dev" bs=1M skip=48 count=1 iflag=direct status=none | cmp -s - "$dir/noise"
ok "window: nothing behind it was touched" test $? = 0

# lanes
to=()
for i in 0 1 2 3; do
	to+=(--to "$dev,$((64 + 16 * i))M,16M")
done
record replay_and_stop "${to[@]}" --force --bpf "$bpf/placer.bpf.o" --dump-map lane_counters
ok "placer: exit code" test "$code" = 0
ok "placer: totals" json '.recorded == 1000 and ([.targets[].recorded] | add) == 1000 and
	([.targets[].recorded] | min) > 0'
ok "placer: counters agree" json '[.maps.lane_counters[].packets] == [.targets[].recorded]'
for i in 0 1 2 3; do
	read_back ",$((64 + 16 * i))M,16M"
	mv "$dir/out.pcapng" "$dir/lane$i"
done
ok "placer: all packets, once, in order, each flow in one lane" \
	equal "$dir/sent.pcap" "$dir"/lane[0-3]

record replay "${to[@]}" --bpf "$bpf/placer.bpf.o" --size 128K
ok "placer: full when one lane is" json '.ended == "full" and ([.targets[].recorded] | max) == 30'
ok "placer: no lane is longer, all are closed" json '[.targets[] | .closed and .recording_bytes <= 131072] | all'

# a recorder that dies
killed() {
	replay
	sleep 1
	kill -KILL "$1"
}
record killed --to "$dev" --force >/dev/null 2>&1
ok "killed: the recording is there" eval '"$iou" cat "$dev" >"$dir/out.pcapng" 2>"$dir/cat"'
ok "killed: it is said to be open" grep -q "not closed" "$dir/cat"
ok "killed: the packets that were sent" equal "$dir/sent.pcap" "$dir/out.pcapng"
ok "killed: the drive can be used again" eval 'sleep 1; record replay_and_stop --to "$dev"; [ "$code" = 0 ]'

# an interface that goes away under a recorder
goes_down() {
	replay
	sleep 1
	ip link set iou-b down
}
record goes_down --to "$dev" >/dev/null
ok "interface goes down: exit code 1, and why" eval '[ "$code" = 1 ] && grep -q "interface is down" "$dir/err"'
ok "interface goes down: totals" json '.ended == "error" and .recorded == 1000 and .targets[0].closed'
ok "interface goes down: the packets so far" same "$dir/sent.pcap"
ip link set iou-b up

# what is refused
refuse() {
	local want=$1 text=$2
	shift 2
	timeout 20 "$iou" record "$@" >"$dir/json" 2>"$dir/err"
	[ $? = "$want" ] && [ "$(wc -l <"$dir/err")" = 1 ] && grep -q -- "$text" "$dir/err" && return
	comment "$dir/err"
	return 1
}
ok "zero-copy that is not there" refuse 6 "zero-copy" --net iou-b --to "$dev" --require-zerocopy
ok "interface that is down" eval 'ip link set iou-b down
	refuse 6 "down" --net iou-b --to "$dev"
	ip link set iou-b up'
ok "interface that is not Ethernet" refuse 1 "Ethernet" --net lo --to "$dev" --force
ok "queue that is not there" refuse 1 "receive queue" --net iou-b:99 --to "$dev"
ok "filter that does not compile" refuse 2 "syntax error" --net iou-b --to "$dev" --filter 'udp prot 53'
ok "constant that is not there" refuse 2 "no constant 'x'" --net iou-b --to "$dev" \
	--bpf "$bpf/placer.bpf.o" --set x=1
ok "map that is not there" refuse 2 "no map 'x'" --net iou-b --to "$dev" \
	--bpf "$bpf/placer.bpf.o" --dump-map x
ok "program that is not there" refuse 2 "no program 'x'" --net iou-b --to "$dev" \
	--bpf "$bpf/placer.bpf.o:x"
in_use() {
	"$iou" record --net iou-b --to "$dev" --quiet 2>/dev/null &
	local pid=$! result
	sleep 2
	refuse 5 "is in use" --net iou-b --to "$dev"
	result=$?
	"$iou" info >"$dir/info"
	kill $pid
	wait $pid
	return $result
}
ok "drive that is being recorded to" in_use
ok "info tells of the recorder" grep -q "^user *iou" "$dir/info"
comment "$dir/info"
ok "info --json is JSON" eval '"$iou" info --json | jq -e .features.stream >/dev/null'
# the examples, compiled as a user would
examples=${IOU_EXAMPLES:-/usr/share/doc/io_unified/examples}
compile() {
	local flags
	flags=$(pkg-config --cflags --libs libiounified) || return 1
	if [ -e "$examples/$1.bpf.c" ]; then
		bpftool gen skeleton "$bpf/$1.bpf.o" name "$1_bpf" >"$dir/$1.skel.h" || return 1
		flags="$flags -lbpf"
	fi
	# shellcheck disable=SC2086 # flags are words
	cc -O2 -Wall -I"$dir" -o "$dir/$1" "$examples/$1.c" $flags
}
# example NAME ARGS...: runs it while packets come
receives() { grep -qs 'posted=[1-9]' "/proc/$1/fdinfo/"*; }
example() {
	local status
	"$dir/$1" "${@:2}" >"$dir/said" 2>&1 &
	until_true 30 receives $!
	replay
	wait $!
	status=$?
	comment "$dir/said"
	return $status
}
if command -v cc >/dev/null && command -v bpftool >/dev/null; then
	for name in hello record five_tuple placer; do
		ok "example $name compiles" compile $name
	done
	ok "hello" eval '"$dir/hello" "$dev" | grep "wrote 4096, read 4096: hello, drive"'
	ok "record" example record iou-b "$dev" 500
	choose ip 500
	ok "record: the first 500" same "$dir/chosen.pcap"
	ok "five_tuple" example five_tuple iou-b "$dev" 100 'udp:*:53' 'udp:10.0.0.3:80'
	ok "placer" example placer iou-b "$dev" 500 3
fi

done_testing
