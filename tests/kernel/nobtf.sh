#!/bin/bash
# SPDX-License-Identifier: GPL-2.0
# A module without BTF, as it is built where vmlinux or pahole is missing: it
# works, and programs have no kfuncs.
set -u
# shellcheck source=tests/tap.sh
. "$(dirname "$(readlink -f "$0")")/../tap.sh"
here=$(dirname "$(readlink -f "$0")")
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

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
	skip_all "no BTF of the module to leave away"
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
done_testing
