#!/bin/bash
# SPDX-License-Identifier: MIT
# Gets from B+trees, each a chain of reads that a program asks for, and each as a
# loop of reads for comparison: the examples btree_build and btree_get, on every
# NVMe drive there is, which is overwritten.
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

examples=${IOU_EXAMPLES:-$here/examples}

command -v jq >/dev/null || skip_all "jq is not installed"
[ -x "$examples/btree_get" ] || skip_all "no btree_get in $examples"
drives=(/dev/nvme?n1)
[ -b "${drives[0]}" ] || skip_all "no NVMe drive"

dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
# build DEPTH ARGS...: a tree of that depth on $dev
build() {
	"$examples/btree_build" "${@:2}" "$dev" >"$dir/built" 2>&1
	comment "$dir/built"
	grep -q "^depth $1," "$dir/built"
}
# get NAME ARGS...: gets; their report is in $dir/NAME
get() {
	"$examples/btree_get" --json --depth-check "${@:2}" "$dev" >"$dir/$1" 2>"$dir/err"
	local status=$?
	comment "$dir/$1"
	comment "$dir/err"
	return $status
}
# right NAME...: all of them were, some keys are there and some are not
right() {
	(cd "$dir" && jq -se 'all(.wrong == 0 and .found > 0 and .absent > 0 and
		.found + .absent == .gets and .reads == .gets * .depth)' "$@") >/dev/null
}
get_right() { get "$@" && right "$1"; }
# agree: what chains found is what the loop found, each by its path
agree() {
	(cd "$dir" && jq -se 'map(.path) == ["io_uring", "passthrough", "bio"] and
		(map([.found, .absent]) | unique | length) == 1' loop chain bio) >/dev/null
}
# all WHAT GETS: by each way
all() {
	ok "$1: a loop of reads" get loop --loop --gets "$2"
	ok "$1: chains, passthrough" get chain --chain --gets "$2"
	ok "$1: chains, bio" get bio --chain --bio --gets "$2"
	ok "$1: all right" right loop chain bio
	ok "$1: the same answers" agree
}
# refuse TEXT ARGS...: gets fail, and say so
refuse() {
	"$examples/btree_get" --gets 1000 "${@:2}" "$dev" >"$dir/said" 2>"$dir/err"
	local status=$?
	comment "$dir/said"
	comment "$dir/err"
	[ $status = 3 ] && [ "$(wc -l <"$dir/err")" = 1 ] && grep -q -- "$1" "$dir/err"
}

depths="1 2 3 4 5 6"
for dev in "${drives[@]}"; do
	for depth in $depths; do
		ok "$dev, depth $depth: built" build "$depth" --fanout 4 --keys $((4 ** depth))
		all "$dev, depth $depth" 1000
	done

	# the tree of depth 6: 5 reads after the first, the root in block 1
	for io in "" --bio; do
		what="$dev${io:+, bio}"
		# shellcheck disable=SC2086 # none or one
		{
			ok "$what: one in flight" get_right chain $io --in-flight 1 --gets 100
			ok "$what: more hops than needed" get_right chain $io --max-hops 255 --gets 1000
			ok "$what: a hop too few" refuse "raise max_hops" $io --max-hops 4
			ok "$what: a chain that leaves the window" refuse "bound ctl->dev_offset" \
				$io --window 8192
		}
	done
	depths=6
done

# Block 2 is the first leaf that was written, with the smallest keys.
"$examples/btree_build" --fanout 4 --keys 64 "$dev" >"$dir/built"
dd if=/dev/zero of="$dev" bs=4096 seek=2 count=1 oflag=direct status=none
for io in "" --bio; do
	# shellcheck disable=SC2086
	ok "corrupt block${io:+, bio}" refuse "XDP_ABORTED" $io
done
ok "corrupt block, a loop of reads" refuse "not the node" --loop

ok "10 million keys: built" build 4 --keys 10000000
all "10 million keys" 10000

done_testing
