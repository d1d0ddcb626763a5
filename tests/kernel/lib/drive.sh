# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# drive_of BYTES: the first NVMe drive with blocks of so many bytes, in $drive. Not by
# its name: these go to whoever is found first, and that anew when the driver is.
drive_of() {
	local i size
	drive=
	for i in /sys/block/nvme*n*; do
		read -r size <"$i/queue/logical_block_size" || continue
		if [ "$size" = "$1" ]; then
			# shellcheck disable=SC2034 # what it is for
			drive=/dev/${i##*/}
			return
		fi
	done 2>/dev/null
	return 1
}
