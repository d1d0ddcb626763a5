#!/bin/bash
# SPDX-License-Identifier: MIT
# iou record to files, on ext4 and xfs, on the first NVMe drive, which is
# overwritten: what was sent is what libpcap reads from the file, also after the
# file system was unmounted, and the file has no byte more than the recording.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
set -u
here=$(dirname "$(readlink -f "$0")")
# shellcheck source=tests/tap.sh
. "$here/../tap.sh"

drives=(/dev/nvme?n1)
dev=${drives[0]}
if [ ! -b "$dev" ]; then
	skip_all "no NVMe drive"
fi

# shellcheck source=tests/kernel/lib/recorder.sh
. "$here/lib/recorder.sh"
mnt=$dir/mnt
mkdir "$mnt"
trap 'umount -q "$mnt"; recorder_clean_up' EXIT

# same [COUNT]: what was sent is in the file, or the first of it
same() {
	tcpdump -r "$sent" -w "$dir/want.pcap" ${1:+-c "$1"} 2>/dev/null
	"$here/capcmp" "$dir/want.pcap" "$file" >"$dir/said"
}
size_is() { [ "$(stat -c %s "$file")" = "$1" ]; }
remount() { umount "$mnt" && mount "$dev" "$mnt"; }

for fs in ext4 xfs; do
	# nothing kept back for root, who could fill that too
	force=-f
	[ $fs = xfs ] || force=-Fm0
	mkfs.$fs -q $force "$dev" && mount "$dev" "$mnt" || exit 1
	file=$mnt/a.pcapng

	record replay_and_stop --to "$file"
	ok "$fs: a new file: exit code" test $code = 0
	ok "$fs: totals" json '.recorded == 1000 and .dropped.total == 0 and
		.storage_path == "file" and .targets[0].closed'
	ok "$fs: as long as the recording" size_is $((1002 * 4096))
	ok "$fs: what was sent, as libpcap reads it" same
	capinfos "$file" >/dev/null 2>"$dir/err"
	ok "$fs: capinfos has no complaint" test ! -s "$dir/err"
	ok "$fs: unmount and mount" remount
	ok "$fs: what was sent, as libpcap reads it" same
	ok "$fs: so does iou cat" eval '"$iou" cat "$file" | cmp -s - "$file"'

	record replay_and_stop --to "$file" --count 100
	ok "$fs: over it, and shorter" size_is $((102 * 4096))
	ok "$fs: the first 100" same 100
	record replay_and_stop --to "$file" --size 1M
	ok "$fs: --size: full" json '.ended == "full" and .recorded == 254'
	ok "$fs: --size: as long as that" size_is $((1 << 20))

	# A range of a file, and what is around it stays.
	file=$mnt/image
	dd if=/dev/urandom of="$file" bs=1M count=12 status=none
	# On XFS the two share their blocks: each write is to get some of its own.
	cp "$file" "$mnt/before"
	record replay_and_stop --to "$file,4M,6M" --force
	ok "$fs: a range: exit code" test $code = 0
	ok "$fs: nothing else was touched" eval 'cmp -s -n $((4 << 20)) "$file" "$mnt/before" &&
		cmp -s -i $((10 << 20)) "$file" "$mnt/before" && size_is $((12 << 20))'
	"$iou" cat "$file,4M,6M" >"$dir/out.pcapng"
	file=$dir/out.pcapng
	ok "$fs: what was sent is in the range" same

	ok "$fs: data is not overwritten" refuse 5 "use --force" --net iou-b --to "$mnt/before"
	ok "$fs: not by passthrough" refuse 6 "passthrough" --net iou-b --to "$mnt/a.pcapng" --io passthrough
	exec 8<>"$mnt/a.pcapng"
	flock 8
	ok "$fs: not what another one records to" refuse 5 "another recording" --net iou-b --to "$mnt/a.pcapng"
	exec 8>&-

	# The file system fills up under it: what is written is a recording. XFS sets
	# more aside for each write under way than the write needs, and refuses the next.
	file=$mnt/b.pcapng
	fallocate -l $(($(df --output=avail -B1 "$mnt" | tail -1) - (16 << 20))) "$mnt/fill"
	: >"$dir/err"
	"$iou" record --net iou-b --json --to "$file" >"$dir/json" 2>"$dir/err" &
	pid=$!
	until_records $pid "$dir/err"
	fallocate -l $(($(df --output=avail -B1 "$mnt" | tail -1) - (3 << 20))) "$mnt/more"
	replay
	pause 0.5
	kill -INT $pid 2>/dev/null
	wait $pid
	code=$?
	ok "$fs: no space left: exit code 1, and why" eval '[ $code = 1 ] && grep -q "no room left" "$dir/err"'
	comment "$dir/err"
	n=$("$iou" cat "$file" 2>/dev/null | tcpdump --count -nr - 2>/dev/null | awk '{ print $1 }')
	ok "$fs: no space left: what there was room for is there" test "$n" -gt 0 -a "$n" -lt 1000
	"$iou" cat "$file" >"$dir/out.pcapng" 2>/dev/null
	file=$dir/out.pcapng
	ok "$fs: no space left: and it is what was sent" same "$n"
	umount "$mnt"
done
done_testing
