# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For tests of iou record, which set $here, their directory: a veth pair from iou-a to
# iou-b, a capture to send over it, $sent, and what becomes of a recorder. $dir is
# theirs, and goes with them.

iou=${IOU:-iou}
# shellcheck disable=SC2154 # the test sets here
sent=$here/lib/mixed.pcap
dir=$(mktemp -d)
# shellcheck disable=SC2317 # called by the trap
recorder_clean_up() {
	ip link del iou-a 2>/dev/null
	rm -rf "$dir"
}
trap recorder_clean_up EXIT
ip link add iou-a type veth peer name iou-b || exit 1
for i in iou-a iou-b; do
	sysctl -qw net.ipv6.conf.$i.disable_ipv6=1
	ip link set $i arp off up
done

replay() { "$here/replay" iou-a iou-b "$sent" >"$dir/replay"; }
replay_and_stop() {
	replay
	pause 0.3
	kill -"${signal:-INT}" "$1" 2>/dev/null
}
# is_written DEVICE: is all that was sent in the recording there, by one who looks on?
is_written() {
	[ "$("$iou" cat "$1" 2>/dev/null | tcpdump --count -nr - 2>/dev/null)" = "1000 packets" ]
}
# The drive that is recorded to is in $dev.
replay_and_kill() {
	replay
	# shellcheck disable=SC2154 # the test sets dev
	until_true 20 is_written "$dev"
	kill -KILL "$1"
}
# record SENDS ARGS...: records what is sent; its code is in $code, its totals in
# $dir/json. SENDS is a function that is called with its PID once it records.
record() {
	local send=$1 pid
	shift
	: >"$dir/err"
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
# json EXPRESSION: is it true of the totals?
json() {
	jq -e "$1" "$dir/json" >/dev/null && return
	echo "# $(jq -c . "$dir/json")"
	return 1
}
# refuse CODE TEXT ARGS...: a recorder that does not start, and says why in one line
refuse() {
	local said
	timeout 20 "$iou" record "${@:3}" >"$dir/json" 2>"$dir/err"
	[ $? = "$1" ] && mapfile -t said <"$dir/err" && [ ${#said[@]} = 1 ] &&
		[[ ${said[0]} == *"$2"* ]] && return
	comment "$dir/err"
	return 1
}
