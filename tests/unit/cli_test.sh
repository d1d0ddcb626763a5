#!/bin/bash
# SPDX-License-Identifier: MIT
# The command's answers to wrong use: one line, a code, what to do.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
set -u

iou=${IOU:-../../userspace/build/iou/iou}
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT

# says CODE TEXT ARGS...: exit code, one line on stderr with TEXT, no stdout
says() {
	local code want=$1 text=$2
	shift 2
	"$iou" "$@" >"$dir/out" 2>"$dir/err"
	code=$?
	[ $code = "$want" ] && [ "$(wc -l <"$dir/err")" = 1 ] && [ ! -s "$dir/out" ] &&
		grep -q -- "^iou: .*$text" "$dir/err" && return
	sed 's/^/# /' "$dir/err" "$dir/out"
	echo "# exit code $code"
	return 1
}

# prints TEXT ARGS...: exit code 0, TEXT on stdout, nothing on stderr
prints() {
	local text=$1
	shift
	"$iou" "$@" >"$dir/out" 2>"$dir/err" && grep -q -- "$text" "$dir/out" &&
		[ ! -s "$dir/err" ]
}

ok "--version" prints '^iou [0-9]*\.[0-9]*\.[0-9]*$' --version
ok "help" prints 'usage: iou COMMAND' help
for command in info record replay serve ingest cat; do
	ok "help $command" prints "usage: iou $command" help $command
	ok "$command --help" prints "usage: iou $command" $command --help
	ok "$command --nonsense" says 2 "no option '--nonsense'" $command --nonsense
done
# full COMMAND...: it ends with 1 where standard output takes nothing
full() {
	"$@" >/dev/full 2>"$dir/err"
	[ $? = 1 ] && grep -q "^iou: cannot write to standard output" "$dir/err" && return
	sed 's/^/# /' "$dir/err"
	return 1
}
ok "standard output is full in the end" full "$iou" help
ok "it was full on the way" full stdbuf -oL "$iou" help
ok "unknown command" says 2 "no command 'nonsense'" nonsense
ok "help on an unknown command" says 2 "no command 'nonsense'" help nonsense
ok "info with an argument" says 2 "takes no argument 'x'" info x
ok "cat without a device" says 2 "takes one device" cat
ok "cat with two" says 2 "takes one device" cat a b

to=(--to /dev/null)
ok "record without --net" says 2 "give --net" record "${to[@]}"
ok "record without --to" says 2 "give --to" record --net lo
ok "record with an argument" says 2 "takes no argument 'x'" record --net lo "${to[@]}" x
ok "value missing" says 2 "value is missing behind '--net'" record --net
ok "no such interface" says 2 "no interface 'absent0'" record --net absent0 "${to[@]}"
ok "queue that is no number" says 2 "'x' is no number" record --net lo:x "${to[@]}"
ok "name too long" says 2 "empty or too long" record --net interface-of-a-long-name "${to[@]}"
ok "--count 0" says 2 "must not be zero" record --count 0
ok "--count x" says 2 "is not a number" record --count x
ok "--size 1Q" says 2 "is not a size" record --size 1Q
ok "--duration 1d" says 2 "is not a time" record --duration 1d
ok "--snaplen 70000" says 2 "is too large" record --snaplen 70000
ok "--rx x" says 2 "not auto, xsk or handler" record --rx x
ok "--io x" says 2 "not auto, passthrough or bio" record --io x
ok "--to without a device" says 2 "is not DEVICE" record --to ,4096
ok "--frame-size 3000" says 2 "power of two" record --net lo "${to[@]}" --frame-size 3000
ok "--memory and --frames" says 2 "the same" record --net lo "${to[@]}" --memory 1M --frames 100
ok "--memory too small" says 2 "64 frames" record --net lo "${to[@]}" --memory 4K
ok "--bpf and --filter" says 2 "exclude each other" record --net lo "${to[@]}" --bpf x --filter ip
ok "--set without --bpf" says 2 "need --bpf" record --net lo "${to[@]}" --set a=1
ok "two targets without --bpf" says 2 "several --to" record --net lo "${to[@]}" --to /dev/zero
ok "handler and zero-copy" says 2 "excludes --require-zerocopy" \
	record --net lo "${to[@]}" --rx handler --require-zerocopy
ok "not a block device" says 2 "neither a block device nor a file" record --net lo "${to[@]}"
ok "no such device" says 1 "No such file" record --net lo --to /dev/absent
ok "no such directory" says 1 "No such file" record --net lo --to "$dir/absent/file"
truncate -s 1M "$dir/file"
if dd if="$dir/file" of=/dev/null bs=4K count=1 iflag=direct status=none 2>/dev/null; then
	ok "a file, window not on pages" says 2 "multiples of 4096" record --net lo --to "$dir/file,100"
	ok "a file, overlapping windows" says 2 "overlaps" record --net lo --bpf x \
		--to "$dir/file" --to "$dir/file,512K"
	exec 8<>"$dir/file"
	flock 8
	ok "a file in use" says 5 "another recording" record --net lo --to "$dir/file"
	exec 8>&-
else
	ok "a file" says 1 "no direct I/O" record --net lo --to "$dir/file"
	ok "and none is made" says 1 "no direct I/O" record --net lo --to "$dir/new"
	ok "none" test ! -e "$dir/new"
fi

from=(--from "$dir/file")
ok "replay without --from" says 2 "give --from" replay --net lo
ok "replay without --net" says 2 "give --net" replay "${from[@]}"
ok "replay with an argument" says 2 "takes no argument 'x'" replay --net lo "${from[@]}" x
ok "two paces" says 2 "give one" replay --net lo "${from[@]}" --top --pps 5
ok "--speed 0" says 2 "is not a number above 0" replay --speed 0
ok "--pps x" says 2 "is not a number above 0" replay --pps x
ok "--mbps -1" says 2 "is not a number above 0" replay --mbps -1
ok "--loop x" says 2 "is not a number" replay --loop x
ok "--in-flight 100000" says 2 "is too large" replay --in-flight 100000
ok "--from nothing" says 2 "is not PATH" replay --from ,4096
ok "replay: --set without --bpf" says 2 "needs --bpf" replay --net lo "${from[@]}" --set a=1
ok "a loop over a pipe" says 2 "comes once" replay --net lo --from - --loop 2
ok "replay: no such file" says 1 "No such file" replay --net lo --from "$dir/absent"
ok "replay: a directory" says 2 "neither a block device nor a file" replay --net lo --from "$dir"
ok "replay: past the end" says 2 "past its end" replay --net lo --from "$dir/file,2M"
ok "replay: no module" eval '[ -e /dev/io_unified ] ||
	says 6 "modprobe io_unified" replay --net lo "${from[@]}"'

on=(--listen 127.0.0.1:0)
ok "serve without --listen" says 2 "give --listen" serve --dir "$dir"
ok "serve without objects" says 2 "give --dir" serve "${on[@]}"
ok "serve with an argument" says 2 "takes no argument 'x'" serve "${on[@]}" --dir "$dir" x
for listen in x 65536 1.2.3.4 :80 ::1:80 '[::1]' a:b; do
	ok "--listen $listen" says 2 "is not \[ADDRESS:\]PORT" serve --listen "$listen"
done
ok "an address that is none" says 2 "cannot listen" serve --listen 1.2.3.999:0 --dir "$dir"
ok "--connections 0" says 2 "must not be zero" serve --connections 0
ok "--connections 70000" says 2 "is too large" serve --connections 70000
ok "--idle 100ms" says 2 "is too small" serve --idle 100ms
ok "--idle x" says 2 "is not a time" serve --idle x
ok "--chunk 100" says 2 "is too small" serve --chunk 100
ok "--chunk 20000" says 2 "multiple of 4096" serve "${on[@]}" --dir "$dir" --chunk 20000
ok "--memory too small" says 2 "eight chunks" serve "${on[@]}" --dir "$dir" --memory 2M --chunk 1M
ok "serve: --set without --bpf" says 2 "needs --bpf" serve "${on[@]}" --dir "$dir" --set a=1
ok "no such directory to serve" says 1 "No such file" serve "${on[@]}" --dir "$dir/absent"
mkdir "$dir/empty"
ok "nothing to serve" says 1 "nothing to serve" serve "${on[@]}" --dir "$dir/empty"
ok "no such manifest" says 1 "No such file" serve "${on[@]}" --objects "$dir/absent"
for line in /a $'/a\t' $'/a\tb\tc\td' $'\tb'; do
	echo "$line" >"$dir/manifest"
	ok "manifest with the line '$line'" says 2 "line 1: is not NAME" serve "${on[@]}" \
		--objects "$dir/manifest"
done
printf '/a\t%s\ttext/html\001\n' "$dir/file" >"$dir/manifest"
ok "a type that is none" says 2 "is no content type" serve "${on[@]}" --objects "$dir/manifest"
printf '/a\t%s\na\t%s\n' "$dir/file" "$dir/file" >"$dir/manifest"
ok "two objects of one name" says 2 "the name /a" serve "${on[@]}" --objects "$dir/manifest"
printf '# nothing\n\n/a\t%s,1M,1\n' "$dir/file" >"$dir/manifest"
ok "a range that is not there" says 2 "not all there" serve "${on[@]}" --objects "$dir/manifest"
printf '/a\t%s,100,1\n' "$dir/file" >"$dir/manifest"
ok "an offset not on blocks" says 2 "block size" serve "${on[@]}" --objects "$dir/manifest"
for device in x x,0 x,0,0 x,a,1 ,0,1; do
	ok "--device $device" says 2 "is not DEVICE,OFFSET,SIZE" serve "${on[@]}" --device "$device"
done
ok "no such device to serve" says 1 "No such file" serve "${on[@]}" --device /dev/absent,0,1
ok "a device that is none" says 2 "neither a block device" serve "${on[@]}" --device /dev/null,0,1

from=(--listen tcp:127.0.0.1:0)
ok "ingest without --listen" says 2 "give --listen" ingest "${to[@]}"
ok "ingest without --to" says 2 "give --to" ingest "${from[@]}"
ok "ingest with two --to" says 2 "one too many" ingest "${from[@]}" "${to[@]}" "${to[@]}"
for bad in tcp tcp: sctp:1 tcp:name:1 tcp:1:2:3 'tcp:[::1]'; do
	ok "--listen $bad" says 2 "--listen" ingest --listen "$bad" "${to[@]}"
done
for bad in 0 1x none1 0K -1; do
	ok "--flush $bad" says 2 "not none, every, a time" ingest "${from[@]}" "${to[@]}" --flush=$bad
done
ok "--connections 201" says 2 "too large" ingest "${from[@]}" "${to[@]}" --connections 201
ok "--connections for datagrams" says 2 "one stream" ingest --listen udp:0 "${to[@]}" --connections 2
ok "frames of TCP" says 2 "TCP has none" ingest "${from[@]}" "${to[@]}" --frame-lines
ok "two kinds of frames" says 2 "exclude each other" ingest --listen udp:0 "${to[@]}" \
	--frame-lines --datagram-length
ok "--chunk 5000" says 2 "power of two" ingest "${from[@]}" "${to[@]}" --chunk 5000
ok "--count without --connections" says 2 "needs --connections" ingest "${from[@]}" "${to[@]}" --count 2
ok "--connections to a range of a file" says 2 "cannot have an offset" \
	ingest "${from[@]}" --to "$dir/file,4096" --connections 2
ok "ingest to what is no block device" says 2 "neither a block device nor a file" ingest "${from[@]}" "${to[@]}"
ok "cat --stream 0" says 2 "must not be zero" cat --stream 0 "$dir/file"
ok "cat --list of no streams" says 3 "no streams begin" cat --list "$dir/file"
ok "cat --stream of no streams" says 3 "no streams begin" cat --stream 2 "$dir/file"

if command -v losetup >/dev/null && loop=$(losetup -f --show "$dir/file" 2>/dev/null); then
	ok "no module" eval '[ -e /dev/io_unified ] || says 6 "modprobe io_unified" record --net lo --to "$loop"'
	ok "window past the end" says 2 "past its end" record --net lo --to "$loop,2M"
	ok "window not on blocks" says 2 "block size" record --net lo --to "$loop,100"
	ok "window too small" says 2 "three frames" record --net lo --to "$loop,0,8K"
	ok "overlapping windows" says 2 "overlaps" record --net lo --bpf x \
		--to "$loop,0,512K" --to "$loop,256K,512K"
	printf 'precious' | dd of="$loop" bs=1 seek=1080 conv=notrunc status=none
	ok "other data" says 5 "use --force" record --net lo --to "$loop"
	ok "other data before the window" says 5 "use --force" record --net lo --to "$loop,512K"
	dd if=/dev/zero of="$loop" bs=64K count=1 status=none
	printf 'precious' | dd of="$loop" bs=1 seek=$((1048576 - 512)) conv=notrunc status=none
	ok "other data at the end" says 5 "use --force" record --net lo --to "$loop"
	losetup -d "$loop"
	if command -v mke2fs >/dev/null && mke2fs -q -F "$dir/file" &&
		loop=$(losetup -f --show "$dir/file") && mkdir "$dir/mnt"; then
		ok "a file system" says 5 "use --force" record --net lo --to "$loop"
		if mount "$loop" "$dir/mnt" 2>/dev/null; then
			ok "mounted" says 5 "is in use" record --net lo --to "$loop" --force
			umount "$dir/mnt"
		else
			skip "mounted" "mount is not permitted here"
		fi
		losetup -d "$loop"
	else
		skip "a file system" "no mke2fs"
		skip "mounted" "no mke2fs"
	fi
else
	skip "targets" "no loop device"
fi
done_testing
