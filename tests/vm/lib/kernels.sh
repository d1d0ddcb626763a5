# shellcheck shell=bash
# From the name of a kernel to the root that has it and its exact release.

# base_of SUITE: makes that base root if needed and prints where it is.
base_of() {
	local suite=$1 target
	target=$cache/base/$suite-$(hash_of "$vm_dir" build/base build/base-kernels \
		lib/mirror.sh packages)
	need mmdebstrap=mmdebstrap
	make_once "$target" "the $suite root" "$vm_dir/build/base" "$suite"
	prune "$cache/base" "$suite-*" 2
	echo "$target"
}

# release_in BASE GLOB: the newest kernel of that root that matches.
release_in() {
	local base=$1 pattern=$2 dir found=()
	for dir in "$base"/usr/lib/modules/$pattern; do
		[ ! -d "$dir" ] || found+=("${dir##*/}")
	done
	[ ${#found[@]} -eq 0 ] || printf '%s\n' "${found[@]}" | sort -V | tail -n 1
}

# find_kernel NAME: sets suite, base and release.
find_kernel() {
	local name=$1 pattern
	case $name in
	6.1) suite=bookworm pattern='6.1.*' ;;
	6.12) suite=trixie pattern='6.12.*' ;;
	7.x) suite=trixie pattern='7.*' ;;
	6.1.*) suite=bookworm pattern=$name ;;
	[67].*.*) suite=trixie pattern=$name ;;
	*) die "unknown kernel '$name': use 6.1, 6.12, 7.x or an exact release such as 6.12.107+deb13-amd64" ;;
	esac
	base=$(base_of "$suite")
	release=$(release_in "$base" "$pattern")
	[ -n "$release" ] ||
		die "no kernel $name in the $suite root; it has: $(ls "$base/usr/lib/modules")"
}
