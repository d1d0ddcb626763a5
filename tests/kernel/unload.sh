#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# rmmod: refused while the module is in use, clean when it is not.
set -u
# shellcheck source=tests/tap.sh
. "$(dirname "$(readlink -f "$0")")/../tap.sh"

in_use() { ! rmmod io_unified 2>/dev/null && [ -d /sys/module/io_unified ]; }
is_free() {
	for _ in $(seq 100); do
		[ "$(cat /sys/module/io_unified/refcnt)" != 0 ] || return 0
		pause 0.05
	done
	return 1
}
slab_kb() { awk '$1 == "SUnreclaim:" { print $2 }' /proc/meminfo; }
reload() {
	for _ in $(seq "$1"); do
		rmmod io_unified && modprobe io_unified && [ -c /dev/io_unified ] ||
			return 1
	done
}
no_growth() {
	local before after
	reload 5
	before=$(slab_kb)
	reload 30 || return 1
	after=$(slab_kb)
	echo "# unreclaimable slabs: $before kB, then $after kB"
	[ $((after - before)) -lt 1000 ]
}

ok "free at first" is_free
exec 9<>/dev/io_unified
ok "refused while the device is open" in_use
exec 9>&-
ok "free again" is_free
ok "unloads" rmmod io_unified
ok "the device is gone" test ! -e /dev/io_unified
ok "nothing in the log of symbols" eval '! grep -q "\[io_unified\]" /proc/kallsyms'
ok "loads again" modprobe io_unified
ok "the device is back" test -c /dev/io_unified
ok "30 times without growth" no_growth
done_testing
