#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# nvme-tcp between two VMs, with native multipath and without: the target's is killed in
# the middle of reads and writes, and started again. What was acknowledged is there, all
# ops end, and those that fail say why. It runs in the initiator's VM; who kills and
# starts the other one, as asked by the file "ask" in IOU_SHARE, is tests/remote.
set -u
# shellcheck source=tests/tap.sh
. "$(dirname "$(readlink -f "$0")")/../tap.sh"
# shellcheck source=tests/kernel/lib/remote.sh
. "$(dirname "$(readlink -f "$0")")/lib/remote.sh"

: "${IOU_SHARE:?who starts this is tests/remote}"
target=10.66.0.2
asked=0

# ask start|kill: the host does it, and says so.
answered() { has_line "$IOU_SHARE/answer" "$asked "; }
ask() {
	asked=$((asked + 1))
	echo "$asked $1" >"$IOU_SHARE/ask.new"
	mv "$IOU_SHARE/ask.new" "$IOU_SHARE/ask"
	until_true 60 answered
}

# The target serves some time after its VM has been started.
is_served() { (exec 3<>"/dev/tcp/$target/4420") 2>/dev/null; }
target_start() { ask start && until_true 120 is_served; }

# lost: the controller has noticed
lost() { state_of && [ "$state" != live ]; }

# still NAME: nothing is acknowledged any more.
still() {
	local before
	count "$1"
	before=$good
	pause 1.5
	count "$1"
	[ "$good" = "$before" ]
}

# One by one and from an SQ, each on MiB of its own, of which it keeps what it knows
# for the next. Without multipath by requests, and as bios as well.
all_ways() {
	local m=$1 way
	shift
	"$@" "ops" at=0 keep="$dir/0" || return 1
	"$@" "rings" at=8 keep="$dir/8" ring || return 1
	[ "$m" = N ] || return 0
	"$@" "ops, bio" at=16 keep="$dir/16" bio || return 1
	"$@" "rings, bio" at=24 keep="$dir/24" ring bio
}
names() { all_ways "$1" name; }
name() { echo "$1"; }

# each NAME COMMAND: ok, for each of the ways
each() {
	local said=$1 way
	shift
	while read -r way; do
		ok "$what, $way: $said" "$@" "$way"
	done < <(names "$m")
}
right_path() {
	case $m$1 in
	Y* | *bio) path_is "$1" bio ;;
	*) path_is "$1" passthrough ;;
	esac
}

# Nothing of it is in flight: this does not wait for the other end, unless by a
# request, which asks the drive. Then it can be killed.
attach_and_detach() {
	local out=$dir/idle status=0
	timeout 5 "$here/remote_io" "$dev" idle >"$out" 2>&1 || status=$?
	case $m,$status in Y,0 | N,0 | N,124) return ;; esac
	echo "# exit status $status"
	comment "$out"
	return 1
}

# comes_back: it is gone for as long as its VM takes to boot.
comes_back() {
	what="multipath $m, killed"
	ok "$what: connected" connect_tcp $target 600 || return
	ok "$what: ops" all_ways "$m" io_start
	each "path" right_path
	ok "$what: the target's VM" ask kill
	ok "$what: noticed" until_true 60 lost
	each "nothing is acknowledged" still
	ok "$what: another attaches meanwhile" attach_and_detach
	ok "$what: started again" target_start
	ok "$what: connected again" until_true 60 state_is live
	each "goes on" runs
	each "right data, none lost" io_end
	# A multipath head keeps bios until there is a path, and without one they are
	# tried again; requests of passthrough are not.
	while read -r way; do
		case $m$way in
		Y*) ok "$what, $way: no op failed" none_failed "$way" ;;
		*bio) ;;
		*) ok "$what, $way: the outage was told" some_failed "$way" ;;
		esac
	done < <(names "$m")
	disconnect
}

# stays_away: longer than the controller waits. One detaches while its ops are in
# flight, one is killed, others see theirs fail. The module goes while nobody serves.
stays_away() {
	local way
	what="multipath $m, gone"
	ok "$what: connected" connect_tcp $target 5 || return
	ok "$what: ops" all_ways "$m" io_start
	ok "$what: one more" io_start "other" at=32
	ok "$what: and one" io_start "third" at=40 ring
	ok "$what: the target's VM" ask kill
	kill -KILL "${io_pid[other]}"
	io_detach third
	ok "$what: given up" until_true 90 no_path
	each "ops fail" until_true 60 some_failed
	each "all ended, with a reason" io_end
	ok "$what: detach with ops in flight" io_end third
	ok "$what: killed with ops in flight" until_true 20 has_gone "${io_pid[other]}"
	ok "$what: the module unloads" until_true 5 rmmod io_unified
	modprobe io_unified
	ok "$what: started again" target_start
	ok "$what: connected again" connect_tcp $target 600
	ok "$what: ops again" all_ways "$m" io_start
	each "what was acknowledged is there" io_end
	disconnect
}
has_gone() { ! kill -0 "$1" 2>/dev/null; }

# shellcheck disable=SC2317 # called by the trap
cleanup() {
	disconnect
	rm -rf "$dir"
}
trap cleanup EXIT
ip addr add 10.66.0.1/24 dev eth0 && ip link set eth0 mtu 9000 up || exit 1
ok "the target" target_start
for m in Y N; do
	if ! multipath $m; then
		ok "nvme_core with multipath $m" false
		continue
	fi
	modprobe -a nvme-fabrics nvme-tcp
	comes_back
	stays_away
done
done_testing
