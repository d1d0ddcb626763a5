# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# For tests with real captures, in the directory $captures or an archive of it: one
# capture of them all, $sent, in $dir, which is theirs, as $here is.

captures=${IOU_CAPTURES:-/usr/share/io_unified/captures}
# shellcheck disable=SC2034 # for those who set links up
mtu=3490		# the largest that XDP allows on a veth
[ -e "$captures" ] || skip_all "no captures in $captures"

# merge_captures [N]: what fits, and what is left out, in $dir/manifest; of every Nth
# capture only
merge_captures() {
	local files
	# shellcheck disable=SC2154 # the test sets dir and here
	sent=$dir/sent.pcap
	if [ -f "$captures" ]; then
		mkdir "$dir/captures"
		tar -C "$dir/captures" -xf "$captures" || return 1
		captures=$dir/captures
	fi
	find "$captures" -type f \( -name '*.pcap' -o -name '*.pcapng' \) | sort |
		sed -n "1~${1:-1}p" >"$dir/files"
	mapfile -t files <"$dir/files"
	# shellcheck disable=SC2154
	"$here/capmerge" $((mtu + 14)) "$sent" "$dir/manifest" "${files[@]}"
}
