#!/bin/sh
# SPDX-License-Identifier: GPL-2.0
# probe.sh CONFIG_H COMPILER [FLAG]... -- PROBE.c...
#
# Compiles each probe and writes "#define IOU_HAVE_<NAME> 1" for those that
# compile. A probe is a few lines that only compile where the kernel has the
# API in question; its first line is a comment that says which.
#
# One probe must always compile (probes/always.c): if it does not, the compiler
# or its flags are at fault, and every other answer would be a lie.
set -eu

out=$1
shift
flags=
while [ "$1" != "--" ]; do
	# Quote, so that -DKBUILD_MODNAME='"x"' survives the eval below.
	flags="$flags '$(printf '%s' "$1" | sed "s/'/'\\\\''/g")'"
	shift
done
shift

mkdir -p "$(dirname "$out")"
tmp=$(mktemp -d)
trap 'rm -rf "$tmp"' EXIT

ask() {
	name=$(basename "$1" .c)
	if eval "$flags" -Werror -Wno-unused -Wno-missing-prototypes \
		-Wno-missing-declarations \
		-fsyntax-only "\"$1\"" >"$tmp/$name.log" 2>&1; then
		echo 1 >"$tmp/$name.yes"
	fi
}

for probe; do
	ask "$probe" &
	# Two at a time: a probe reads as many headers as a real file.
	running=$((${running:-0} + 1))
	[ $((running % 2)) -ne 0 ] || wait
done
wait

if [ ! -e "$tmp/always.yes" ]; then
	echo "io_unified: cannot compile for this kernel:" >&2
	cat "$tmp/always.log" >&2
	exit 1
fi

{
	echo "/* Made by module/compat/probe.sh: what this kernel has. */"
	for probe; do
		name=$(basename "$probe" .c)
		upper=$(printf '%s' "$name" | tr '[:lower:]' '[:upper:]')
		if [ -e "$tmp/$name.yes" ]; then
			echo "#define IOU_HAVE_$upper 1"
		else
			echo "/* IOU_HAVE_$upper is not set */"
		fi
	done
} >"$tmp/config.h"
mv "$tmp/config.h" "$out"
