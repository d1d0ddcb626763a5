#!/bin/bash
# SPDX-License-Identifier: MIT
# Manual pages: they render without a warning, and tell of every option.
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
set -u
cd "$(dirname "$0")" || exit 1

iou=${IOU:-../../userspace/build/iou/iou}
man=../../userspace/man

# quiet COMMAND...: it prints nothing
quiet() {
	local said
	said=$("$@" 2>&1)
	[ -z "$said" ] && return
	printf '# %s\n' "${said//$'\n'/$'\n# '}"
	return 1
}

for page in "$man"/*.[1-8]; do
	name=$(basename "$page")
	if [ "$(head -c 4 "$page")" = ".so " ]; then
		ok "$name leads somewhere" test -e "$man/$(sed -n 's/^\.so man[1-8]\///p' "$page")"
		continue
	fi
	if command -v groff >/dev/null && groff -Tutf8 -mandoc /dev/null 2>/dev/null; then
		ok "$name with groff" quiet groff -z -ww -mandoc -Tutf8 -rLL=78n "$page"
	else
		skip "$name with groff" "groff is not installed"
	fi
	if command -v mandoc >/dev/null; then
		ok "$name with mandoc" quiet mandoc -Tlint -W warning "$page"
	else
		skip "$name with mandoc" "mandoc is not installed"
	fi
done

# text PAGE: as it is read, without overstriking
text() {
	if command -v groff >/dev/null; then
		groff -Tascii -P-cbou -mandoc "$1" 2>/dev/null
	else
		mandoc -Tascii "$1" | sed 's/.\x08//g'
	fi
}

for command in info record replay serve ingest cat; do
	if ! command -v groff >/dev/null && ! command -v mandoc >/dev/null; then
		skip "iou-$command.1 tells of every option" "neither groff nor mandoc"
		continue
	fi
	missing=
	for option in $("$iou" $command --help | grep -o -- '--[a-z-]*' | sort -u); do
		text $man/iou-$command.1 | grep -q -- "$option" || missing+=" $option"
	done
	ok "iou-$command.1 tells of every option$missing" test -z "$missing"
done

missing=
while read -r name; do
	grep -q "^\.It $name\$" $man/iou-info.1 || missing+=" $name"
done < <(sed -n 's/^\tIO_UNIFIED_FEAT_\([A-Z_]*\)[ \t]*=.*/\L\1/p' ../../uapi/linux/io_unified.h)
ok "iou-info.1 tells of every feature$missing" test -z "$missing"

missing=
while read -r name; do
	[ -e "$man/$name.3" ] || missing+=" $name"
done < <(sed -n 's/^\t\t\(iou_[a-z_]*\);/\1/p' ../../userspace/lib/libiounified.map)
ok "every function of the library has a page$missing" test -z "$missing"
done_testing
