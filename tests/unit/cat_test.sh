#!/bin/bash
# SPDX-License-Identifier: MIT
# iou cat on recordings in files: where they end, and what readers say of them.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
set -u

iou=${IOU:-../../userspace/build/iou/iou}
make=$(dirname "$0")/build/recording_test
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

frame=4096

# cat_is CODE BYTES TEXT FILE[,...]: exit code, length of output, words on stderr
cat_is() {
	local code
	"$iou" cat "$4" >"$dir/out" 2>"$dir/err"
	code=$?
	if [ "$code" = "$1" ] && [ "$(stat -c %s "$dir/out")" = "$2" ]; then
		# no text: silence
		[ -z "$3" ] && [ ! -s "$dir/err" ] && return
		[ -n "$3" ] && grep -q -- "$3" "$dir/err" && return
	fi
	sed 's/^/# /' "$dir/err"
	echo "# exit code $code, $(stat -c %s "$dir/out") bytes"
	return 1
}

truncate -s 8M "$dir/zeros"
head -c 4096 /dev/urandom >"$dir/noise"
ok "nothing recorded: exit code 3" cat_is 3 0 "no recording" "$dir/zeros"
ok "no such file: exit code 1" cat_is 1 0 "cannot open" "$dir/absent"
ok "not a device: exit code 2" cat_is 2 0 "neither" "$dir"
ok "offset past the end: exit code 2" cat_is 2 0 "past its end" "$dir/zeros,9M"
ok "size past the end: exit code 2" cat_is 2 0 "are left" "$dir/zeros,7M,2M"

cp --sparse=always "$dir/zeros" "$dir/closed"
"$make" "$dir/closed" closed 500
ok "closed, zeros behind it" cat_is 0 $((502 * frame)) '' "$dir/closed"
cmp -s -n $((502 * frame)) "$dir/closed" "$dir/out"
ok "its bytes are those of the file" test $? = 0

cp --sparse=always "$dir/zeros" "$dir/open"
"$make" "$dir/open" open 500
ok "open, zeros behind it" cat_is 0 $((501 * frame)) "first 500 packets" "$dir/open"
ok "open and empty" eval '"$make" "$dir/empty" open 0; cat_is 0 $frame "first 0 packets" "$dir/empty"'

"$make" "$dir/old" closed 900 1
"$make" "$dir/old" open 300 2
ok "open, an older one behind it" cat_is 0 $((301 * frame)) "first 300 packets" "$dir/old"
"$make" "$dir/old" closed 400 3
ok "closed, an older one behind it" cat_is 0 $((402 * frame)) '' "$dir/old"

cp "$dir/closed" "$dir/damaged"
dd if=/dev/zero of="$dir/damaged" bs=$frame seek=100 count=1 conv=notrunc status=none
ok "closed, but damaged: exit code 4" cat_is 4 $((100 * frame)) "damaged" "$dir/damaged"
head -c $((300 * frame)) "$dir/closed" >"$dir/short"
ok "closed, but cut short: exit code 4" cat_is 4 $((300 * frame)) "damaged" "$dir/short"

# Direct I/O cannot begin or end there; where temporary files are in memory it can.
odd=$dir
if [ "$(stat -fc %T "$dir")" = tmpfs ]; then
	odd=$(mktemp -d ./build/cat.XXXXXX)
	trap 'rm -rf "$dir" "$odd"' EXIT
fi
{ cat "$dir/short"; head -c 1000 "$dir/noise"; } >"$odd/short"
ok "cut short between blocks: exit code 4" cat_is 4 $((300 * frame)) "damaged" "$odd/short"
head -c 1000 "$dir/closed" >"$odd/short"
ok "cut short in its first block: exit code 3" cat_is 3 0 "no recording" "$odd/short"
{ head -c $((502 * frame)) "$dir/closed"; head -c 1000 "$dir/noise"; } >"$odd/closed"
ok "what is behind it ends between blocks" cat_is 0 $((502 * frame)) '' "$odd/closed"
{ head -c 1000 "$dir/noise"; cat "$odd/closed"; } >"$odd/window"
ok "in a window that begins there" cat_is 0 $((502 * frame)) '' "$odd/window,1000"
cmp -s -n $((502 * frame)) "$dir/closed" "$dir/out"
ok "its bytes are those of the recording" test $? = 0
ok "in a window that ends there" cat_is 4 $((300 * frame)) "damaged" "$odd/window,1000,$((300 * frame + 1))"

dd if="$dir/closed" of="$dir/window" bs=1M seek=3 conv=notrunc status=none
ok "in a window" cat_is 0 $((502 * frame)) '' "$dir/window,3M"
ok "in a window of a size" cat_is 0 $((502 * frame)) '' "$dir/window,3M,4M"
ok "in a window that is too small: exit code 4" cat_is 4 $((256 * frame)) "damaged" "$dir/window,3M,1M"
ok "not at another offset: exit code 3" cat_is 3 0 "no recording" "$dir/window,1M"

if command -v losetup >/dev/null && loop=$(losetup -f --show "$dir/closed" 2>/dev/null); then
	ok "on a block device" cat_is 0 $((502 * frame)) '' "$loop"
	losetup -d "$loop"
else
	skip "on a block device" "no loop device"
fi

# reader_is NAME FILE: capinfos, tshark and tcpdump read it without complaint
reader_is() {
	local packets=$3
	if ! command -v "$1" >/dev/null; then
		skip "$1 reads it ($2)" "$1 is not installed"
		return
	fi
	case $1 in
	capinfos) "$iou" cat "$dir/$2" 2>/dev/null | capinfos -c -M - >"$dir/said" 2>"$dir/err"
		grep -q "Number of packets: *$packets\$" "$dir/said" ;;
	tshark) "$iou" cat "$dir/$2" 2>/dev/null | tshark -r - 2>"$dir/err" >"$dir/said"
		sed -i '/Running as user "root"/d' "$dir/err"
		[ "$(wc -l <"$dir/said")" = "$packets" ] ;;
	tcpdump) "$iou" cat "$dir/$2" 2>/dev/null | tcpdump --count -nr - 2>"$dir/err" >"$dir/said"
		# it says what it reads
		sed -i '/^reading from/d' "$dir/err"
		grep -q "^$packets packet" "$dir/said" ;;
	esac
	local good=$?
	ok "$1 reads $packets packets ($2)" test $good = 0
	ok "$1 has no complaint ($2)" test ! -s "$dir/err"
	sed 's/^/# /' "$dir/err"
}
for reader in capinfos tshark tcpdump; do
	reader_is $reader closed 500
	reader_is $reader open 500
	reader_is $reader empty 0
done
done_testing
