#!/bin/bash
# SPDX-License-Identifier: MIT
# iou record and iou cat, for real: what is sent over a veth pair must be what
# readers find, on every NVMe drive there is, which is overwritten.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

bpf=${IOU_BPF:-/usr/lib/io_unified/bpf}
examples=${IOU_EXAMPLES:-$here/examples}

missing=
for need in tcpdump capinfos tshark jq; do
	command -v $need >/dev/null || missing="$missing $need"
done
[ -z "$missing" ] || skip_all "not installed:$missing"
drives=(/dev/nvme?n1)
[ -b "${drives[0]}" ] || skip_all "no NVMe drive"
dev=${drives[0]}

# shellcheck source=tests/kernel/lib/recorder.sh
. "$here/lib/recorder.sh"

# choose EXPRESSION [COUNT]: the packets of what is sent that match it
choose() {
	tcpdump -w "$dir/chosen.pcap" -r "$sent" ${2:+-c "$2"} "$1" 2>/dev/null
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
			ok "$what: the packets that were sent" same "$sent"
		done
	done
done
dev=${drives[0]}
ok "path is as asked" json '.path == "rx-handler" and .storage_path == "bio"'
"$iou" cat "$dev" | capinfos - >"$dir/said" 2>"$dir/err"
ok "capinfos has no complaint" test ! -s "$dir/err"
"$iou" cat "$dev" | tcpdump --count -nr - >"$dir/said" 2>"$dir/err"
ok "tcpdump counts 1000" grep -q '^1000 packets' "$dir/said"
"$iou" cat "$dev" >"$dir/tshark.pcapng"

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

# a kernel with all checks is too slow for all of them
slow=false
[ "${IO_UNIFIED_TIMEOUT_SCALE:-1}" = 1 ] || slow=true
record replay --to "$dev" --duration 4s
ok "--duration: ended by it" json '.ended == "duration" and .elapsed >= 4 and .elapsed < 7 and
	(.recorded == 1000 or '$slow' and .recorded > 0 and
	 .received == .recorded + .dropped.total)'

record replay_and_stop --to "$dev" --snaplen 100
ok "--snaplen: truncated" json '.recorded == 1000 and .truncated > 900'
# One tshark for two recordings, the sections of a file: it takes ten seconds to start.
"$iou" cat "$dev" >>"$dir/tshark.pcapng"
tshark -r "$dir/tshark.pcapng" -T fields -e frame.cap_len -e frame.len >"$dir/said" 2>"$dir/err"
grep -v '^Running as user "root"' "$dir/err"
ok "tshark has no complaint" test $? = 1
awk 'NR <= 1000 && $1 != $2 { bad = 1 }
	NR > 1000 && ($1 > 100 || ($2 < 100 && $1 != $2)) { bad = 1 }
	{ len[NR > 1000] += $2 } END { exit bad || NR != 2000 || len[0] != len[1] }' "$dir/said"
ok "--snaplen: 100 bytes, and what they were" test $? = 0

# a window, and what is around it stays
dd if=/dev/urandom of="$dir/noise" bs=1M count=1 status=none
dd if="$dir/noise" of="$dev" bs=1M seek=31 oflag=direct status=none
dd if="$dir/noise" of="$dev" bs=1M seek=48 oflag=direct status=none
record replay_and_stop --to "$dev,32M,16M" --force
ok "window: exit code" test "$code" = 0
ok "window: the packets" same "$sent" ,32M
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
	equal "$sent" "$dir"/lane[0-3]

record replay "${to[@]}" --bpf "$bpf/placer.bpf.o" --size 128K
ok "placer: full when one lane is" json '.ended == "full" and ([.targets[].recorded] | max) == 30'
ok "placer: no lane is longer, all are closed" json '[.targets[] | .closed and .recording_bytes <= 131072] | all'

# a recorder that dies
record replay_and_kill --to "$dev" --force >/dev/null 2>&1
ok "killed: the recording is there" eval '"$iou" cat "$dev" >"$dir/out.pcapng" 2>"$dir/cat"'
ok "killed: it is said to be open" grep -q "not closed" "$dir/cat"
ok "killed: the packets that were sent" equal "$sent" "$dir/out.pcapng"
ok "killed: the drive can be used again" eval 'pause 1; record replay_and_stop --to "$dev"; [ "$code" = 0 ]'

# an interface that goes away under a recorder
goes_down() {
	replay
	until_true 20 is_written "$dev"
	ip link set iou-b down
}
record goes_down --to "$dev" >/dev/null
ok "interface goes down: exit code 1, and why" eval '[ "$code" = 1 ] && grep -q "interface is down" "$dir/err"'
ok "interface goes down: totals" json '.ended == "error" and .recorded == 1000 and .targets[0].closed'
ok "interface goes down: the packets so far" same "$sent"
ip link set iou-b up

# what is refused
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
	pause 2
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
# one that has a name to frighten terminals with, which is no UTF-8 either
name=$'x\e[31m\xff'
cp "$(command -v sleep)" "$dir/$name"
"$dir/$name" 60 7<>/dev/io_unified &
named=$!
tells_of() { "$iou" info >"$dir/info" && grep -qF "user       $1[$named]" "$dir/info"; }
ok "info: a name of any bytes" until_true 5 tells_of 'x?[31m?'
comment "$dir/info"
"$iou" info --json >"$dir/info.json"
kill $named
ok "info --json: it is UTF-8" eval 'grep -qF "\"x\\u001b[31m\\ufffd\"" "$dir/info.json" &&
	iconv -f UTF-8 -t UTF-8 "$dir/info.json" >/dev/null'

# the examples
receives() { grep -qs 'posted=[1-9]' "/proc/$1/fdinfo/"*; }
# example NAME ARGS...: runs it while packets come
example() {
	local status
	"$examples/$1" "${@:2}" >"$dir/said" 2>&1 &
	until_true 30 receives $!
	replay
	wait $!
	status=$?
	comment "$dir/said"
	return $status
}
ok "hello" eval '"$examples/hello" "$dev" | grep "wrote 4096, read 4096: hello, drive"'
ok "record" example record iou-b "$dev" 500
choose ip 500
ok "record: the first 500" same "$dir/chosen.pcap"
ok "five_tuple" example five_tuple iou-b "$dev" 100 'udp:*:53' 'udp:10.0.0.3:80'
ok "placer" example placer iou-b "$dev" 500 3

done_testing
