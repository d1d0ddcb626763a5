#!/bin/bash
# SPDX-License-Identifier: MIT
# iou ingest: what is sent over loopback is what a device range, a partition and
# files hold, whoever is slow, stops, or dies; on the first NVMe drive with blocks of
# 512 bytes, which is overwritten.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

# shellcheck source=tests/kernel/lib/drive.sh
. "$here/lib/drive.sh"
drive_of 512 || skip_all "no NVMe drive with blocks of 512 bytes"
dev=$drive
command -v jq >/dev/null || skip_all "jq is not installed"
iou=${IOU:-iou}
sender=$here/sender
dir=$(mktemp -d)
mnt=$dir/mnt
mkdir "$mnt"
port=9000
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	umount -q "$mnt"
	rmdir /sys/kernel/config/nullb/nullb_ingest 2>/dev/null
	"$sender" partition "$dev" 1
	rm -rf "$dir"
}
trap clean_up EXIT

# start ARGS...: an ingest that listens, its PID in $pid
start() {
	: >"$dir/err"
	: >"$dir/sent"
	port=$((port + 1))
	"$iou" ingest --listen "${proto:-tcp}:${address-127.0.0.1:}$port" --json "$@" \
		>"$dir/json" 2>"$dir/err" &
	pid=$!
	local n=0
	until has_line "$dir/err" listening; do
		n=$((n + 1))
		if ! kill -0 $pid 2>/dev/null || [ $n -gt 150 ]; then
			comment "$dir/err"
			return 1
		fi
		pause 0.1
	done
}
# end: waits for it; its code is in $code, its totals in $dir/totals
end() {
	wait "$pid"
	code=$?
	tail -n 1 "$dir/json" >"$dir/totals"
	[ $code = 0 ] || comment "$dir/err" 20
}
# sends ARGS...: its words are in $dir/sent
sends() {
	"$sender" "${what:-send}" "$port" "$@" >"$dir/sent" 2>"$dir/sender.err" && return
	comment "$dir/sender.err"
	return 1
}
# json EXPRESSION: is it true of the totals?
json() {
	jq -e "$1" "$dir/totals" >/dev/null && return
	echo "# $(<"$dir/totals")"
	return 1
}
# checked ARGS...: sender check, and its words in $dir/said
checked() {
	"$sender" check "$@" >"$dir/said" 2>&1 && return
	comment "$dir/said"
	return 1
}
# stream WINDOW [ARGS...]: of the device, to be checked
stream() {
	"$iou" cat "$@" 2>"$dir/cat" | "$sender" check ${min:+--min $min} - >"$dir/said" 2>&1 && return
	comment "$dir/cat"
	comment "$dir/said"
	return 1
}

# a range of the device; what others left at its start would have to be forced
dd if=/dev/zero of="$dev" bs=1M count=1 oflag=direct status=none
dd if=/dev/urandom of="$dir/noise" bs=64K count=1 status=none
dd if="$dir/noise" of="$dev" bs=64K seek=255 oflag=direct status=none
dd if="$dir/noise" of="$dev" bs=64K seek=$((256 + 512)) oflag=direct status=none
ok "device: starts" start --to "$dev,16M,32M" --force
ok "device: 6000000 bytes in writes of any size" sends --bytes 6000000
end
ok "device: exit code" test "$code" = 0
ok "device: totals" json '.ended == "eof" and .bytes == 6000016 and .received == .bytes and
	.unread == 0 and .ends.eof == 1 and .copied_bytes == .bytes'
ok "device: few system calls, one op for each piece" json '.ops < 40 and .syscalls < 100'
ok "device: what was sent" stream "$dev,16M,32M"
off=$(jq -s '.[0].data_offset' "$dir/json")
dd if="$dev" bs=64K iflag=direct,skip_bytes,count_bytes skip="$off" count=6000128 status=none |
	head -c 6000016 >"$dir/by_dd"
ok "device: and by dd" checked "$dir/by_dd"
for at in 255 768; do
	dd if="$dev" bs=64K skip=$at count=1 iflag=direct status=none | cmp -s - "$dir/noise"
	ok "device: nothing at $at was touched" test $? = 0
done

# more connections than at a time, each to a stream of its own, over the old one
start --to "$dev,16M,32M" --connections 5 --count 8 --chunk 64K --flush 256K
ok "many: 8 at once" sends --connections 8 --bytes 400000 --random --seed 100
end
ok "many: exit code" test "$code" = 0
ok "many: totals" json '.ended == "count" and .ends.eof == 8 and .streams == 8 and
	.bytes == '"$(<"$dir/sent")"' and .flushes >= 8'
bad=0
seen=
for i in 1 2 3 4 5 6 7 8; do
	stream "$dev,16M,32M" --stream $i || bad=$((bad + 1))
	read -r seed _ <"$dir/said"
	seen+=$seed$'\n'
done
ok "many: each stream is one that was sent" test $bad = 0
ok "many: and each is there" test "$(printf '%s' "$seen" | sort -u | wc -l)" = 8
ok "many: which one is to be said" eval '! "$iou" cat "$dev,16M,32M" 2>"$dir/err" >/dev/null &&
	grep -q "holds 8 streams" "$dir/err"'
ok "many: the list" eval '[ "$("$iou" cat --list "$dev,16M,32M" | jq "[.[].bytes] | add")" = "$(<"$dir/sent")" ]'

# no descriptor left for one more: those that run go on, and it waits
received() { jq -se "any(.[]; .received == $1)" "$dir/json" >/dev/null 2>&1; }
start --to "$dev,16M,32M" --connections 3 --count 3
"$sender" send "$port" --bytes 300000 --hang >"$dir/sent" &
silent=$!
ok "descriptors: the first one is received" until_true 20 received 300016
n=0
while [ -e "/proc/$pid/fd/$n" ]; do n=$((n + 1)); done
prlimit --pid $pid --nofile=$n:
# io_uring waits for it already, with the limit that was
ok "descriptors: a second one" sends --bytes 100000 --seed 2
ok "descriptors: why a third one waits" until_true 10 grep -q "Too many open files" "$dir/err"
"$sender" send "$port" --bytes 1000 --seed 3 2>"$dir/sender.err" >"$dir/third" &
third=$!
pause 3
ok "descriptors: it does" test ! -s "$dir/third"
ok "descriptors: in one line" test "$(grep -c "cannot accept" "$dir/err")" = 1
kill $silent
wait $silent 2>/dev/null
ok "descriptors: it is taken when the first one ends" wait $third
comment "$dir/sender.err"
end
ok "descriptors: exit code" test "$code" = 0
ok "descriptors: totals" json '.ended == "count" and .ends.eof == 3 and .bytes == 401048 and
	.received == .bytes and .refused == 0 and .syscalls < 200'
for i in 1 2 3; do
	ok "descriptors: what was sent, $i" stream "$dev,16M,32M" --stream $i
done

# the range is full
start --to "$dev,16M,1M"
ok "full: the sender learns of it" sends --bytes 4000000 --closed
end
ok "full: exit code" test "$code" = 0
ok "full: totals" json '.ended == "full" and .ends.full == 1 and .bytes == 917504'
min=917504
ok "full: what there was room for" stream "$dev,16M,1M"
min=

# of each stream so much, which is no multiple of anything
start --to "$dev,16M,32M" --size 1000001
ok "size: sends" sends --bytes 4000000 --closed
end
ok "size: totals" json '.ends.size == 1 and .bytes == 1000001'
min=1000001
ok "size: the first of it" stream "$dev,16M,32M"
min=

# a device that fails in the middle: what was safe is, the rest is not called so
bad=/dev/nullb_ingest
knob=/sys/kernel/config/nullb/nullb_ingest
modprobe -q configfs || : # or it is built in
mountpoint -q /sys/kernel/config || mount -t configfs none /sys/kernel/config
modprobe null_blk nr_devices=0
mkdir "$knob"
for pair in size=32 blocksize=512 memory_backed=1 queue_mode=2 badblocks=+20480-24575 power=1; do
	echo "${pair#*=}" >"$knob/${pair%%=*}"
done
# by name on newer kernels, by number on older ones
[ -e /sys/block/nullb_ingest ] || bad=/dev/nullb$(<"$knob/index")
until_true 5 test -b "$bad"
if dd if=/dev/zero of="$bad" bs=4K seek=2560 count=1 oflag=direct status=none 2>/dev/null; then
	skip "error: a device that fails" "null_blk has no bad blocks in this kernel"
else
	start --to "$bad,4M,16M" --ack --flush 256K
	ok "error: the sender learns of it" sends --bytes 20000000 --closed
	end
	ok "error: exit code 1, and why" eval '[ "$code" = 1 ] && grep -q "bytes are safe" "$dir/err"'
	ok "error: totals" json '.ended == "error" and .ends.error == 1 and .bytes > 3000000 and
		.bytes < 6160384 and .received > .bytes'
	min=$(jq .bytes "$dir/totals")
	ok "error: what was said to be safe is there ($min)" stream "$bad,4M,16M"
	min=
fi
echo 0 >"$knob/power"
rmdir "$knob"

# who sends, then says nothing, is safe at the next flush
start --to "$dev,16M,32M" --ack --flush 200ms
"$sender" send "$port" --bytes 100001 --hang --acks >"$dir/sent" 2>"$dir/sender.err" &
silent=$!
ok "silent: all is said to be durable" until_true 20 test -s "$dir/sent"
comment "$dir/sender.err"
ss -tnoH state established "sport = :$port" >"$dir/said"
ok "silent: whether it is there will be asked" grep -q "timer:(keepalive" "$dir/said"
comment "$dir/said"
kill -KILL $pid
wait $pid 2>/dev/null
kill $silent
wait $silent 2>/dev/null
min=100017
ok "killed: what was durable is there" stream "$dev,16M,32M"
min=
ok "killed: it is said to be open" grep -q "not ended" "$dir/cat"

# stopped by a signal; urgent bytes are bytes of the stream
signal() {
	start --to "$dev,16M,32M"
	"$sender" send "$port" --bytes 300000 --hang --pause 2 --max 20000 --urgent >"$dir/sent" &
	silent=$!
	until_true 20 test -s "$dir/sent"
	kill -INT $pid
	end
	kill $silent
	wait $silent 2>/dev/null
	[ "$code" = 0 ]
}
ok "signal: exit code" signal
ok "signal: totals" json '.ended == "signal" and .bytes == 300016 and .ends.signal == 1 and .unread == 0'
ok "signal: what was sent" stream "$dev,16M,32M"

# the peer resets: what had come is there
start --to "$dev,16M,32M"
ok "reset: sends" sends --bytes 500000 --reset --max 9000 --pause 1
end
ok "reset: totals" json '.ends.reset + .ends.eof == 1 and .ends.reset == 1 and .received == .bytes'
min=$(jq .bytes "$dir/totals")
ok "reset: so many bytes are there ($min)" stream "$dev,16M,32M"
min=

# datagrams, packed
proto=udp what=datagrams
start --to "$dev,16M,32M" --count 500
ok "UDP: sends" sends --bytes 500 --pause 1
end
ok "UDP: totals" json '.ended == "count" and .ends.count == 1'
ok "UDP: all 500" json '.datagrams == 500 and .dropped == 0 and .cut == 0'
"$iou" cat "$dev,16M,32M" | "$sender" records - >"$dir/said"
ok "UDP: what was sent" test "$(<"$dir/said")" = 500

# faster than they are taken: each is there or counted, and nothing of anybody else
start --to "$dev,16M,32M" --duration 6s --frame-lines
"$sender" datagrams "$port" --bytes 3000 --wait 2000 --random >"$dir/sent" &
pause 1
ok "UDP: another sender is told that nobody listens" eval '! sends --bytes 2 --pause 100 2>/dev/null'
kill -STOP $pid
wait $!
kill -CONT $pid
end
ok "UDP: what was dropped is counted" json '.dropped > 0 and .datagrams > 100 and
	.datagrams + .dropped == 3000 and .ends.duration == 1'
start --to "$dev,16M,32M" --count 400 --frame-lines --flush every
ok "UDP: lines" sends --bytes 400 --random --pause 1
end
"$iou" cat "$dev,16M,32M" >"$dir/lines"
ok "UDP: each datagram is a line" eval '"$sender" lines "$dir/lines" >"$dir/said" 2>&1 &&
	[ "$(<"$dir/said")" = 400 ]'

# The first ones are of nobody whom an answer could reach.
start --to "$dev,16M,32M" --count 3
python3 - "$port" <<'END'
import socket, struct, sys
s = socket.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW)
for address, port in ("192.0.2.1", 7), ("255.255.255.255", 7), ("127.0.0.1", 0):
    udp = struct.pack("!HHHH", port, int(sys.argv[1]), 8 + 4, 0) + b"none"
    ip = struct.pack("!BBHHHBBH4s4s", 0x45, 0, 20 + len(udp), 0, 0, 64,
                     socket.IPPROTO_UDP, 0, socket.inet_aton(address),
                     socket.inet_aton("127.0.0.1"))
    s.sendto(ip + udp, ("127.0.0.1", 0))
END
ok "UDP: from nowhere: it says so" until_true 10 grep -q "192.0.2.1.*cannot be connected to" "$dir/err"
ok "UDP: from nowhere: and waits for others" sends --bytes 3
end
ok "UDP: from nowhere: in one line" test "$(grep -c "cannot be connected" "$dir/err")" = 1
ok "UDP: from nowhere: totals" json '.ended == "count" and .exit_code == 0 and
	.datagrams == 3 and .refused == 3 and .foreign == 0'

"$sender" partition "$dev" 1 $((64 << 20)) $((128 << 20))

# a partition
proto=tcp what=send
address=
start --to "${dev}p1" --force --depth 2 --flush every
address=127.0.0.1:
ok "partition: sends" sends --bytes 700000 --max 30000
end
# three pieces, two at a time: a flush may be for both
ok "partition: totals" json '.bytes == 700016 and .flushes >= 2'
ok "partition: what was sent" stream "${dev}p1"
"$sender" partition "$dev" 1

for fs in ext4 xfs; do
	force=-F
	[ $fs = ext4 ] || force=-f
	mkfs.$fs -q $force "$dev" && mount "$dev" "$mnt" || exit 1
	start --to "$mnt/a"
	ok "$fs: sends" sends --bytes 5000000
	end
	ok "$fs: totals" json '.bytes == 5000016 and .ends.eof == 1'

	# slow, and each write waits until it is safe
	start --to "$mnt/b" --ack --flush every
	ok "$fs: each write is told to be safe" sends --bytes 40000 --max 3000 --each
	end
	ok "$fs: totals" json '.bytes == 40016 and .flushes >= 13'

	start --to "$mnt/c" --connections 6 --count 6 --flush 100ms --ack
	ok "$fs: six at once, slowly" sends --connections 6 --bytes 200000 --random --seed 7 \
		--acks --pause 5
	end
	ok "$fs: totals" json '.ends.eof == 6 and .bytes == '"$(<"$dir/sent")"

	# one that there can be no file for: others go on
	mkdir "$mnt/g.2"
	start --to "$mnt/g" --connections 2 --count 2
	"$sender" send "$port" --bytes 300000 --hang >"$dir/sent" &
	silent=$!
	until_true 20 test -e "$mnt/g.1"
	ok "$fs: no file: the sender learns of it" sends --bytes 20000000 --closed
	ok "$fs: no file: why" grep -q "cannot open .*/g.2: Is a directory" "$dir/err"
	rmdir "$mnt/g.2"
	ok "$fs: no file: the next one has one" sends --bytes 5000 --seed 9
	kill $silent
	wait $silent 2>/dev/null
	end
	ok "$fs: no file: exit code" test "$code" = 0
	ok "$fs: no file: totals" json '.ended == "count" and .ends.eof == 2 and .refused == 1 and
		.bytes == 305032'

	# killed in the middle
	start --to "$mnt/d" --ack --flush 200ms
	"$sender" send "$port" --bytes 300001 --hang --acks >"$dir/sent" 2>"$dir/sender.err" &
	silent=$!
	ok "$fs: all is said to be durable" until_true 20 test -s "$dir/sent"
	kill -KILL $pid
	wait $pid 2>/dev/null
	kill $silent
	wait $silent 2>/dev/null

	# a write that is refused in the middle
	ulimit -Sf 4096
	start --to "$mnt/e"
	ulimit -Sf unlimited
	ok "$fs: limit: the sender learns of it" sends --bytes 20000000 --closed
	end
	ok "$fs: limit: exit code 1, and why" eval '[ "$code" = 1 ] && grep -q "4194304 bytes are safe" "$dir/err"'
	ok "$fs: limit: totals" json '.ended == "error" and .bytes == 4194304 and .received > .bytes'

	ok "$fs: unmount and mount" eval 'umount "$mnt" && mount "$dev" "$mnt"'
	ok "$fs: what was sent, and no byte more" checked "$mnt/a" "$mnt/b" "$mnt"/[cg].?
	ok "$fs: killed: what was durable is there" checked --min 300017 "$mnt/d"
	ok "$fs: limit: what was said to be safe is there" checked --min 4194304 "$mnt/e"
	ok "$fs: data is not overwritten" eval '"$iou" ingest --listen tcp:127.0.0.1:1 --to "$mnt/a" \
		2>"$dir/err"; [ $? = 5 ] && grep -q "use --force" "$dir/err"'
	umount "$mnt"
done
done_testing
