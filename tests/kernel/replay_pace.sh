#!/bin/bash
# SPDX-License-Identifier: MIT
# iou replay: how fast, how often, how it ends, what it refuses. What it sends over a
# veth pair is recorded on the first NVMe drive, and played from there; a file system
# is made on the second one. Both are overwritten.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
# shellcheck disable=SC2154 # recorder.sh sets them
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

drives=(/dev/nvme?n1)
[ -b "${drives[1]-}" ] || skip_all "no two NVMe drives"
dev=${drives[0]}
# shellcheck source=tests/kernel/lib/recorder.sh
. "$here/lib/recorder.sh"
mnt=$dir/mnt
mkdir "$mnt"
trap 'umount -q "$mnt" "$dir/old"; recorder_clean_up' EXIT

# What two CPUs receive at once would be in any order.
echo 1 >/sys/class/net/iou-b/queues/rx-0/rps_cpus
echo 20000 >/proc/sys/net/core/netdev_max_backlog

# play ARGS...: its code is in $played, its totals are in $dir/played
play() {
	"$iou" replay --net iou-a --json --quiet "$@" >"$dir/played" 2>"$dir/said"
	played=$?
}
# played EXPRESSION: is it true of the totals?
played() {
	jq -e "$1" "$dir/played" >/dev/null && return
	comment "$dir/said"
	echo "# $(jq -c . "$dir/played")"
	return 1
}
# plays ARGS...: and all of it is recorded
plays() {
	play_args=("$@")
	record play_and_stop --rx handler --force --to "$dev"
}
play_and_stop() {
	play "${play_args[@]}"
	pause 0.3
	kill -INT "$1"
}
# recorded FILE: what is on the drive are its packets
recorded() {
	"$iou" cat "$dev" >"$dir/got" && "$here/capcmp" "$1" "$dir/got" >"$dir/said" &&
		return
	comment "$dir/said"
	return 1
}

# The capture has a packet a second.
plays --from "$sent" --speed 1000
ok "--speed: exit code" test "$played" = 0
ok "--speed: takes its time" played '.elapsed >= 0.999 and .elapsed < 10'
ok "--speed: all of it, and says so" played '.packets == 1000 and .sent == 1000 and
	.ended == "end" and .not_sent.total == 0 and .error == ""'
ok "--speed: a file without direct I/O is read by copy" played \
	'.source_path != "read" or .read_copied_bytes == .read_bytes'
ok "--speed: recorded" json '.recorded == 1000 and .dropped.total == 0'
ok "--speed: the same bytes in the same order" recorded "$sent"

# From the recording, which is on the drive; edited where it lies there.
python3 - "$dir" "$sent" <<'END'
import struct, sys
data = open(sys.argv[2], "rb").read()
edited, nsec, at = data[:24], [], 24
while at < len(data):
    size = struct.unpack_from("<I", data, at + 8)[0]
    packet = bytes(255 - b for b in data[at + 16:at + 48]) + data[at + 48:at + 16 + size]
    edited += data[at:at + 16] + packet
    at += 16 + size
open(sys.argv[1] + "/edited.pcap", "wb").write(edited)
# what is wrong with a capture
def write(name, b):
    open(sys.argv[1] + "/" + name, "wb").write(b)
write("text", b"this is no capture\n" * 100)
write("cut", data[:100000])
write("wlan", data[:20] + struct.pack("<I", 105) + data[24:])
long, short = 1600, 13
write("lengths", data[:24] + struct.pack("<IIII", 0, 0, long, long) + bytes(long) +
      struct.pack("<IIII", 0, 0, short, short) + bytes(short) + data[24:24 + 16 + 60])
write("length", data[:100000] + b"\xff" * 100)
END
play --from "$dev" --top --count 1
ok "from the drive: the data goes past the CPU" played \
	'.sent == 1 and .source_path == "passthrough" and .read_copied_bytes == 0 and
	.ended == "count"'
mkfs.ext4 -qF "${drives[1]}" && mount "${drives[1]}" "$mnt" || exit 1
"$iou" cat "$dev" >"$mnt/recording"
plays --from "$mnt/recording" --pps 4000 --bpf "$here/bpf/ops.bpf.o:edit"
ok "--bpf: a recording has room for it: nothing is moved" played \
	'.sent == 1000 and .moved_packets == 0 and .source_path == "file"'
ok "--pps: takes its time" played '.elapsed >= 0.249 and .elapsed < 10'
ok "--bpf: what the program made of it" recorded "$dir/edited.pcap"
cp "$sent" "$mnt/file"
plays --from "$mnt/file" --top --bpf "$here/bpf/ops.bpf.o:edit" --in-flight 16
ok "--bpf: packets that lie close are moved, and counted" played \
	'.sent == 1000 and .moved_packets > 900'
ok "--bpf: what the program made of it" recorded "$dir/edited.pcap"

# Few packets, which end between blocks
tcpdump -r "$sent" -c 100 -w "$mnt/few" 2>/dev/null
plays --from "$mnt/few" --top
ok "less than a window, and no whole blocks" eval \
	'[ $(($(stat -c %s "$mnt/few") % 512)) != 0 ] && played ".sent == 100 and .source_path == \"file\""'
ok "each of them" recorded "$mnt/few"

# A file system that has direct I/O and does not tell what it asks for: FAT
python3 - "$dir/fat" <<'END'
import struct, sys
sectors, fat, root = 16384, 64, 32
boot = b"\xeb\x3c\x90MSDOS5.0" + struct.pack("<HBHBHHBHHHIIBBBI11s8s", 512, 1, 1, 2,
    root * 16, sectors, 0xf8, fat, 32, 2, 0, 0, 0x80, 0, 0x29, 1, b"NO NAME", b"FAT16")
image = bytearray(sectors * 512)
image[:len(boot)] = boot
image[510:512] = b"\x55\xaa"
for at in 512, 512 + fat * 512:
    image[at:at + 4] = b"\xf8\xff\xff\xff"
open(sys.argv[1], "wb").write(image)
END
mkdir "$dir/old"
modprobe -q loop || : # or it is built in
if mount -t vfat -o loop "$dir/fat" "$dir/old" 2>"$dir/err"; then
	cp "$sent" "$dir/old/file"
	plays --from "$dir/old/file" --top
	ok "FAT: read by copy, to the last byte" played '.sent == 1000 and .source_path == "read"'
	ok "FAT: the same bytes in the same order" recorded "$sent"
	umount "$dir/old"
else
	skip "FAT: read by copy" "this kernel mounts none: $(<"$dir/err")"
fi

play --from "$mnt/file" --loop 3 --top
ok "--loop: three times" played '.sent == 3000 and .passes == 3 and .ended == "end"'
head -c 24 "$sent" | tee "$mnt/none" >"$dir/none"
for none in "$mnt/none" "$dir/none"; do
	timeout 20 "$iou" replay --net iou-a --json --quiet --from "$none" --loop 0 --count 5 \
		>"$dir/played" 2>"$dir/said"
	ok "--loop 0 of no packets ends" played '.packets == 0 and .ended == "end" and .exit_code == 0'
done
play --from "$mnt/file" --loop 0 --pps 10000 --count 2500 --in-flight 1
ok "--count ends a loop without end" played '.sent == 2500 and .ended == "count"'
timeout -s INT 2 "$iou" replay --net iou-a --json --quiet --from "$mnt/file" \
	--pps 0.00000000001 >"$dir/played" 2>"$dir/said"
ok "--pps: millennia are not too short" played '.sent == 1 and .ended == "signal"'
play --from "$mnt/file,0,64K" --mbps 1
ok "a range ends in a packet" test "$played" = 4
ok "and what is before it was sent, in its time" played \
	'.sent > 50 and .elapsed >= 0.4 and .exit_code == 4'
"$iou" replay --net iou-a --from - --top --json >"$dir/played" 2>"$dir/said" \
	< <(cat "$sent")
ok "from a pipe, and it says that it copies" eval \
	'played ".sent == 1000 and .source_path == \"read\" and .read_copied_bytes == .read_bytes" &&
	[[ $(<"$dir/said") == *"the CPU copies what is read"* ]]'

# Behind its end there are frames of the recordings before. io_uring takes its time to
# end what a dead process left, which would record what is played.
nobody_is_left() { [ "$(</sys/module/io_unified/refcnt)" = 0 ]; }
record replay_and_kill --rx handler --force --to "$dev"
until_true 20 nobody_is_left
play --from "$dev" --loop 2 --top
ok "a recording whose recorder died: as far as it goes" played \
	'.sent == 2000 and .passes == 2 and .exit_code == 0'

# Half a thousand seconds are handed in when the signal comes.
"$iou" replay --net iou-a --from "$mnt/file" --speed 20 --json >"$dir/played" 2>"$dir/said" &
pid=$!
until_true 10 has_line "$dir/said" playing
pause 1.5
start=$EPOCHREALTIME
kill -INT $pid
wait $pid
played=$?
ok "SIGINT: ends at once" test $((${EPOCHREALTIME/./} - ${start/./})) -lt 3000000
ok "SIGINT: exit code" test $played = 0
ok "SIGINT: each packet is accounted for" played '.ended == "signal" and .sent > 5 and
	.not_sent.canceled > 100 and .sent + .not_sent.total == .packets'
ok "a line each second" has_line "$dir/said" "   1 s"

# refused CODE TEXT ARGS...
refused() {
	play "${@:3}"
	[ $played = "$1" ] && [[ $(<"$dir/said") == *"$2"* ]] && return
	echo "# exit code $played"
	comment "$dir/said"
	return 1
}
ok "no capture" refused 3 "neither pcap nor pcapng" --from "$dir/text"
ok "another link type" refused 3 "link type 105, not Ethernet" --from "$dir/wlan"
ok "a capture that is cut" refused 4 "ends in the middle" --from "$dir/cut" --top
ok "and what is whole was sent" played '.sent > 100 and .ended == "error"'
ok "a length that cannot be" refused 4 "bytes cannot be" --from "$dir/length" --top
play --from "$dir/lengths" --top
ok "packets that cannot be sent are counted, by reason" eval '[ $played = 0 ] &&
	played ".packets == 3 and .sent == 1 and .not_sent.too_long == 1 and
		.not_sent.too_short == 1"'
ok "no such queue" refused 1 "no such queue" --from "$sent" --net iou-a:77
"$iou" replay --net iou-a --from "$mnt/file" --speed 20 --json >"$dir/played" 2>"$dir/said" &
pid=$!
until_true 10 has_line "$dir/said" playing
pause 0.5
ip link set iou-a down
wait $pid
played=$?
ok "the interface goes down" eval \
	'[ $played = 1 ] && [[ $(<"$dir/said") == *"iou-a: Network is down: the interface is down"* ]]'
ok "each packet is accounted for" played '.sent > 0 and .not_sent.failed > 0 and .not_sent.total > 100 and
	.sent + .not_sent.total == .packets and .ended == "error"'
ok "interface down" refused 6 "interface is down" --from "$sent" --top
done_testing
