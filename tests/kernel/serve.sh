#!/bin/bash
# SPDX-License-Identifier: MIT
# iou serve, from a drive, a partition and files, to clients of all kinds: every byte
# is compared. Overwrites an NVMe drive with blocks of 512 bytes and one of 4096.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

iou=${IOU:-iou}
bpf=${IOU_BPF:-/usr/lib/io_unified/bpf}
# shellcheck source=tests/kernel/lib/drive.sh
. "$here/lib/drive.sh"
drive_of 4096 || skip_all "no NVMe drive with blocks of 4096 bytes"
disk=$drive
drive_of 512 || skip_all "no NVMe drive with blocks of 512 bytes"
raw=$drive
dir=$(mktemp -d)
mnt=$dir/mnt
pid=
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	[ -z "$pid" ] || kill -KILL "$pid"
	umount -q "$mnt"
	sfdisk -q --delete "$raw" 2>/dev/null
	wipefs -qa "$raw"
	rm -rf "$dir"
}
trap clean_up EXIT
ip link set lo up

# 8 MiB of noise at 1 MiB of the drive, and the same through a partition
noise=$dir/noise
size=$((8 << 20))
dd if=/dev/urandom of="$noise" bs=1M count=8 status=none
dd if="$noise" of="$raw" bs=1M seek=1 oflag=direct status=none
echo 'start=2048, size=16384' | sfdisk -q --label dos "$raw" || exit 1
until_true 5 test -b "${raw}p1" || exit 1

mkfs.ext4 -q -Fm0 "$disk" && mkdir "$mnt" && mount "$disk" "$mnt" || exit 1
site=$mnt/site
mkdir -p "$site/sub" "$mnt/other"
cp "$noise" "$site/noise.bin"
head -c 12345 "$noise" >"$site/sub/index.html"
head -c 700 "$noise" >"$site/.hidden"
cp "$site/.hidden" "$mnt/other/secret"
ln -s ../other/secret "$site/link"
: >"$site/empty.txt"
(cd "$site/sub" && head -c 100000 "$noise" | split -d -a 3 -b 1000 - f)
head -c 1000 "$noise" | tee "$site/sub/c0" "$site/sub/c1" >"$site/sub/c2"
sync
printf '# a comment\n/manifest/video\t%s,1M,5000001\tvideo/mp4\n/manifest/file\t%s,4096,100000\n' \
	"$raw" "$site/noise.bin" >"$dir/manifest"

# start ARGS...: a server, and its port in $port
start() {
	: >"$dir/err"
	"$iou" serve --listen 127.0.0.1:0 --json "$@" >"$dir/json" 2>"$dir/err" &
	pid=$!
	if ! until_true 30 has_line "$dir/err" serving; then
		comment "$dir/err"
		return 1
	fi
	port=$(sed -n 's/.*127\.0\.0\.1:\([0-9]*\) .*/\1/p' "$dir/err")
}
# stop: ends it; its code is in $code, its totals in $dir/json
stop() {
	kill -TERM "$pid"
	wait "$pid"
	code=$?
	pid=
	[ $code = 0 ] || comment "$dir/err"
	return $code
}
# json EXPRESSION: is it true of the totals?
json() {
	jq -e "$1" "$dir/json" >/dev/null && return
	echo "# $(jq -c . "$dir/json")"
	return 1
}
# client NAME OFFSET SIZE CASE [N]: of an object that is a part of the noise
client() { "$here/http_client" "$port" "$1" "$noise" "${@:2}"; }
# status NAME: what a request for it is answered with, and the head in $dir/head
status() {
	local line
	exec 5<>"/dev/tcp/127.0.0.1/$port"
	printf 'HEAD %s HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n' "$1" >&5
	: >"$dir/head"
	while IFS= read -r line <&5; do
		echo "${line%$'\r'}" >>"$dir/head"
	done
	exec 5>&-
	read -r _ line <"$dir/head"
	echo "${line%% *}"
}

# how long a connection may be idle: not for as long as 500 others take
idle=$((2 * ${IO_UNIFIED_TIMEOUT_SCALE:-1}))
start --device "$raw,1M,8M,raw" --device "$raw,1052672,77777,odd" --device "$raw,1M,4096" \
	--device "${raw}p1,0,8M,part" --dir "$site" --objects "$dir/manifest" \
	--idle $idle --connections 600 --memory 32M
ok "it serves" test -n "$port"

for name in /raw /part /noise.bin; do
	ok "$name: the whole" client $name 0 $size get 2
	ok "$name: random ranges" client $name 0 $size ranges 60
	ok "$name: conditions, HTTP/1.0, half closed" client $name 0 $size conditions
done
ok "one block" client / 0 4096 get 3
ok "an odd size: the whole" client /odd 4096 77777 get 3
ok "an odd size: random ranges" client /odd 4096 77777 ranges 40
ok "2000 requests in a pipeline, from a drive" client /odd 4096 77777 pipeline 2000
ok "500 in a pipeline, from a file" client /noise.bin 0 $size pipeline 500
ok "500 connections at once" client /raw 0 $size many 500
ok "100 files, more than can be attached" client /sub/f 0 1000 files 100
ok "and once more" client /sub/f 0 1000 files 100
ok "an index" client /sub/ 0 12345 get
ok "from the manifest: a part of a drive" client /manifest/video 0 5000001 get
ok "its type" eval '[ "$(status /manifest/video)" = 200 ] && has_line "$dir/head" "Content-Type: video/mp4"'
ok "from the manifest: a part of a file" client /manifest/file 4096 100000 ranges 10
ok "an empty file" eval '[ "$(status /empty.txt)" = 200 ] && has_line "$dir/head" "Content-Length: 0" &&
	has_line "$dir/head" "Content-Type: text/plain"'
ok "what is hidden" test "$(status /.hidden)" = 404
ok "a link that leads out" test "$(status /link)" = 404
ok "a directory" test "$(status /sub)" = 404
busybox wget -q -O "$dir/got" "http://127.0.0.1:$port/noise.bin"
ok "a client of others" cmp -s "$noise" "$dir/got"

ok "malformed requests" client /raw 0 $size bad 50
ok "clients that go in the middle" client /raw 0 $size abandon 60
ok "slow clients" client /raw 0 $size slow $idle

# files that become others
for i in 0 1 2; do
	ok "a file, $i" client /sub/c$i 0 1000 get
done
head -c 4321 "$noise" >"$site/sub/c0"
head -c 2222 "$noise" >"$mnt/new"
mv "$mnt/new" "$site/sub/c1"
: >"$site/sub/c2"
sync
ok "a file that was changed" client /sub/c0 0 4321 get
ok "a file that another has replaced" client /sub/c1 0 2222 get
ok "a file that was emptied" eval '[ "$(status /sub/c2)" = 200 ] && has_line "$dir/head" "Content-Length: 0"'
ok "it stops when it is told" stop
ok "totals" json '.exit_code == 0 and .pieces.combined > 0 and .pieces.split > 0 and
	.connections > 560 and .ended.refused == 0 and .ended.timed_out >= 2 and
	.status["5xx"] == 4'
ok "files that found no attachment were read all the same" json '.pieces.unattached > 0'

# a program between
key=0x8877665544332211
export MASK_KEY=$key
start --device "$raw,1M,8M,raw" --dir "$site" --bpf "$bpf/mask.bpf.o" --set key=$key
ok "masked: the whole" client /raw 0 $size get
ok "masked: ranges" client /raw 0 $size ranges 20
ok "masked: a file" client /sub/index.html 0 12345 ranges 20
ok "masked: files that are not attached" client /sub/f 0 1000 files 100
unset MASK_KEY
ok "masked it is" eval '! client /raw 0 $size get >"$dir/said"'
ok "and ends" stop

# what it is told is the same, whoever reads
start --device "$raw,1M,777,cut" --dir "$site" --bpf "$here/bpf/ops.bpf.o:sized"
ok "a program knows the length of files that are not attached" client /sub/f 0 1000 files 100
ok "it may not cut the front off" eval \
	'[[ $(busybox wget -O /dev/null "http://127.0.0.1:$port/cut" 2>&1) == *" 500 "* ]]'
ok "and ends again" stop
ok "some were not attached" json '.pieces.unattached > 0'

# no descriptor left for one more
start --device "$raw,1M,8M,raw"
n=0
while [ -e "/proc/$pid/fd/$n" ]; do n=$((n + 1)); done
prlimit --pid "$pid" --nofile=$n:
# io_uring waits for one already, with the limit that was
exec 6<>"/dev/tcp/127.0.0.1/$port"
ok "no descriptor left: it says so" until_true 10 grep -q "cannot accept .*: Too many open files" "$dir/err"
pause 2.5
ok "no descriptor left: in one line" test "$(grep -c "cannot accept" "$dir/err")" = 1
prlimit --pid "$pid" --nofile=$((n + 10)):
ok "no descriptor left: until there is one" client /raw 0 $size get
exec 6>&-
ok "and it ends" stop

# the end in the middle of everything
start --device "$raw,1M,8M,raw" --idle 5
client /raw 0 $size abandon 1000 >"$dir/said" &
pause 0.7
ok "killed while it serves" eval 'kill -KILL $pid; wait $pid 2>/dev/null; [ $? = 137 ]'
wait
start --device "$raw,1M,8M,raw"
client /raw 0 $size get 1000 >"$dir/said" &
pause 0.5
ok "told to stop, it ends what it began" stop
wait
ok "nothing was cut off" json '.ended.aborted == 0 and .ended.reset == 0'

# refuse CODE TEXT ARGS...: one that does not start, and says why in one line
refuse() {
	local said
	timeout 20 "$iou" serve --listen 127.0.0.1:0 "${@:3}" >"$dir/json" 2>"$dir/err"
	[ $? = "$1" ] && mapfile -t said <"$dir/err" && [ ${#said[@]} = 1 ] &&
		[[ ${said[0]} == *"$2"* ]] && return
	comment "$dir/err"
	return 1
}
ok "more than the drive has" refuse 2 "are not all there" --device "$raw,1M,100G"
ok "an offset within a block" refuse 2 "block size" --device "$raw,100,4096"
ok "two of one name" refuse 2 "two objects" --device "$raw,0,4096" --device "$raw,4096,4096"
ok "more connections than sockets" refuse 2 "room for" --device "$raw,0,4096" --connections 65536
ok "a program that is none" refuse 2 "cannot open BPF object" --device "$raw,0,4096" \
	--bpf "$noise"

done_testing
