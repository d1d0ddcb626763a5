# SPDX-License-Identifier: MIT
# shellcheck shell=bash
# TAP for shell: ok NAME COMMAND..., skip NAME WHY, skip_all WHY, done_testing;
# comment FILE [LINES];
# and waiting: until_true SECONDS COMMAND..., until_records PID FILE

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

# comment FILE [LINES]: a file's lines, or the first of them, as comments. No process
# for it: under emulation each costs a quarter of a second.
comment() {
	local line n=${2:-1000}
	while [ "$n" -gt 0 ] && { IFS= read -r line || [ -n "$line" ]; }; do
		echo "# $line"
		n=$((n - 1))
	done <"$1"
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

# Time that passes without a process for it
exec {never}<> <(:)
pause() { read -rt "$1" -u "$never" || :; }

# until_true SECONDS COMMAND...: fails when the time is up
until_true() {
	local end=$((SECONDS + $1 * ${IO_UNIFIED_TIMEOUT_SCALE:-1}))
	shift
	until "$@"; do
		[ $SECONDS -lt $end ] || return 1
		pause 0.1
	done
}

# has_line FILE START: does a line of the file start so?
has_line() {
	local line
	while IFS= read -r line || [ -n "$line" ]; do
		[[ $line != "$2"* ]] || return 0
	done 2>/dev/null <"$1"
	return 1
}

# until_records PID FILE: until that iou record says in FILE that it does; fails
# when it has ended, or within half a minute does not. What the one before said must
# be gone from FILE by then: it is not the shell that opens it for the next one.
until_records() {
	local n=0
	until has_line "$2" recording; do
		n=$((n + 1))
		kill -0 "$1" 2>/dev/null && [ $n -lt 150 ] || return 1
		pause 0.2
	done
}
