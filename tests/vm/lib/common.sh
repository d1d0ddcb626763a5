# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the sourcing scripts
# What every script of the test bed shares: messages, the cache, build-once.

vm_dir=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
top_dir=$(cd "$vm_dir/../.." && pwd)
cache=${IO_UNIFIED_CACHE:-${XDG_CACHE_HOME:-${HOME:-/root}/.cache}/io_unified}

say() { printf 'vm: %s\n' "$*" >&2; }

die() {
	printf 'vm: error: %s\n' "$*" >&2
	exit 125
}

# need COMMAND=PACKAGE...: installs the packages whose commands are missing.
need() {
	local pair missing=()
	for pair; do
		command -v "${pair%%=*}" >/dev/null || missing+=("${pair#*=}")
	done
	[ ${#missing[@]} -eq 0 ] || install_packages "${missing[@]}"
}

# install_packages PACKAGE...: apt-get, one at a time across parallel runs.
install_packages() {
	[ "$(id -u)" = 0 ] ||
		die "missing packages: $*; run as root, or: apt-get install $*"
	say "installing: $*"
	mkdir -p "$cache/locks" "$cache/log"
	(
		flock 9
		export DEBIAN_FRONTEND=noninteractive
		apt-get update && apt-get install -y --no-install-recommends "$@"
	) 9>"$cache/locks/apt" </dev/null >"$cache/log/apt.log" 2>&1 ||
		die "apt-get could not install $*; see $cache/log/apt.log"
}

# hash_of DIR PATH...: one hash over names, modes and contents below DIR.
hash_of() {
	local dir=$1 path present=()
	shift
	for path; do
		[ ! -e "$dir/$path" ] || present+=("$path")
	done
	[ ${#present[@]} -gt 0 ] || present=(--files-from /dev/null)
	tar -C "$dir" --sort=name --mtime=@0 --owner=0 --group=0 --numeric-owner \
		-cf - "${present[@]}" | sha256sum | cut -c1-16
}

# make_once TARGET WHAT COMMAND...: runs "COMMAND... TARGET.tmp" unless TARGET
# exists, and renames the result.  One run builds, parallel runs wait; an
# interrupted build leaves only TARGET.tmp, which the next build removes.
make_once() {
	local target=$1 what=$2 name lock start log
	shift 2
	if [ -e "$target" ]; then
		touch -c "$target"	# prune goes by the last use
		return
	fi
	name=$(basename "$target")
	log=$cache/log/$name.log
	mkdir -p "$cache/locks" "$cache/log" "$(dirname "$target")"
	exec {lock}>"$cache/locks/$name"
	if ! flock -n "$lock"; then
		say "waiting for another run that makes $what"
		flock "$lock"
	fi
	if [ ! -e "$target" ]; then
		rm -rf --one-file-system "$target.tmp" "$target.tmp".*
		say "making $what"
		start=$SECONDS
		if ! "$@" "$target.tmp" </dev/null >"$log" 2>&1 {lock}>&-; then
			tail -n 40 "$log" >&2
			die "$what could not be made; the whole log: $log"
		fi
		mv -T "$target.tmp" "$target"
		say "made $what in $((SECONDS - start)) s"
	fi
	exec {lock}>&-
}

# prune DIR PATTERN KEEP: keeps the KEEP entries used last, and whatever was
# used within the hour, since a VM may still run on it.
prune() {
	local dir=$1 pattern=$2 keep=$3 old
	[ -d "$dir" ] || return 0
	find "$dir" -mindepth 1 -maxdepth 1 -name "$pattern" \
		-printf '%T@ %p\n' | sort -rn | tail -n "+$((keep + 1))" |
		while read -r _ old; do
			[ -z "$(find "$old" -maxdepth 0 -mmin +60)" ] ||
				rm -rf --one-file-system "$old"
		done
}
