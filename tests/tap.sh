# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# TAP for shell: ok NAME COMMAND..., skip NAME WHY, skip_all WHY, done_testing

tap_count=0
tap_failed=0
tap_skipped=0

ok() {
	local name=$1
	shift
	tap_count=$((tap_count + 1))
	if "$@"; then
		echo "ok $tap_count - $name"
	else
		echo "not ok $tap_count - $name"
		tap_failed=$((tap_failed + 1))
	fi
}

skip() {
	tap_count=$((tap_count + 1))
	tap_skipped=$((tap_skipped + 1))
	echo "ok $tap_count - $1 # SKIP $2"
}

skip_all() {
	echo "$*"
	exit 77
}

done_testing() {
	echo "1..$tap_count"
	echo "# $((tap_count - tap_failed - tap_skipped)) passed," \
		"$tap_failed failed, $tap_skipped skipped"
	[ "$tap_failed" -eq 0 ]
}
