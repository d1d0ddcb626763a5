#!/bin/bash
# SPDX-License-Identifier: MIT
# Public headers stand alone, in C and C++; the library exports what they say.
# shellcheck disable=SC2016 # what eval runs is quoted on purpose
# shellcheck source=tests/tap.sh
. "$(dirname "$0")/../tap.sh"
set -u
cd "$(dirname "$0")" || exit 1

user=../../userspace
flags=(-Wall -Wextra -Wpedantic -Werror -fsyntax-only -I"$user/include" -I../../uapi)

# compiles LANGUAGE STANDARD HEADER
compiles() {
	echo "#include <$3>" | "${CC:-cc}" -x "$1" -std="$2" "${flags[@]}" \
		-Wno-pedantic -
}

ok "linux/io_unified.h in C99" compiles c gnu99 linux/io_unified.h
ok "iounified.h in C11" compiles c gnu11 iounified.h
ok "iounified_recording.h in C11" compiles c gnu11 iounified_recording.h
if echo 'int x;' | "${CC:-cc}" -x c++ -fsyntax-only - 2>/dev/null; then
	ok "linux/io_unified.h in C++11" compiles c++ gnu++11 linux/io_unified.h
	ok "iounified.h in C++17" compiles c++ gnu++17 iounified.h
else
	skip "headers in C++" "no C++ compiler"
fi

so=$(echo $user/build/libiounified.so.*.*.*)
declared() {
	sed -n 's/^[a-z].*[ *]\(iou_[a-z_]*\)(.*/\1/p' $user/include/iounified{,_op,_recording,_ring}.h |
		grep -v '^static' | sort -u
}
exported() {
	nm -D --defined-only "$so" | sed -n 's/.* T \([a-z_]*\)@.*/\1/p' | sort -u
}
# all declared functions but the inline ones
inline=$(awk '/^static inline/ { grab = 2 } grab-- > 0' $user/include/iounified{,_op,_recording,_ring}.h |
	grep -o 'iou_[a-z_]*(' | tr -d '(' | sort -u)
ok "every declared function is exported, and no other" \
	diff <(declared | grep -vxF "$inline") <(exported)
ok "soname is libiounified.so.0" eval 'objdump -p "$so" | grep -q "SONAME *libiounified.so.0$"'
done_testing
