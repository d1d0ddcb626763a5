#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A module without BTF, as it is built where vmlinux or pahole is missing: it
# works, and programs have no kfuncs.
set -u
here=$(dirname "$(readlink -f "$0")")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

count=0
failed=0
ok() {
	local name=$1
	shift
	count=$((count + 1))
	if "$@"; then
		echo "ok $count - $name"
	else
		echo "not ok $count - $name"
		failed=$((failed + 1))
	fi
}

strip_btf() {
	local ko
	ko=$(modinfo -n io_unified) || return 1
	case $ko in
	*.xz) xz -dc "$ko" ;;
	*.zst) zstd -dc "$ko" ;;
	*.gz) gzip -dc "$ko" ;;
	*) cat "$ko" ;;
	esac >"$tmp/with.ko" &&
		objcopy -R .BTF -R .BTF.base "$tmp/with.ko" "$tmp/io_unified.ko"
}
line() { iou info | grep -w "^$1" | grep -qw kfuncs; }
first_case() { "$here/kfunc" "a program is loaded where it can be" | sed 's/^/# /' && [ "${PIPESTATUS[0]}" = 0 ]; }
bpf_op() { "$here/bpf_op" | sed 's/^/# /' && [ "${PIPESTATUS[0]}" = 0 ]; }

if ! line features; then
	echo "no BTF of the module to leave away"
	exit 77
fi
ok "BTF is left away" strip_btf
ok "the module unloads" rmmod io_unified
ok "one without BTF loads" insmod "$tmp/io_unified.ko"
ok "the kernel has no BTF of it" test ! -e /sys/kernel/btf/io_unified
ok "kfuncs are missing" line missing
ok "a program that needs them is not loaded" first_case
ok "others run" bpf_op
ok "it unloads" rmmod io_unified
ok "the one with BTF loads" modprobe io_unified
ok "kfuncs are there" line features
echo "1..$count"
[ $failed = 0 ]
