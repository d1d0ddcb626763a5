# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the sourcing scripts
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

# debug_kernel_of BASE: makes the debug build of 6.12 if needed, prints its layer.
# It outlives its base: only its own recipe decides whether it is stale.
debug_kernel_of() {
	local base=$1 target
	target=$cache/debug/kernel-$(hash_of "$vm_dir" build/debug-kernel debug)
	make_once "$target" "the debug kernel (ten minutes on two CPUs)" \
		"$vm_dir/build/debug-kernel" "$base"
	prune "$cache/debug" 'kernel-*' 1
	echo "$target"
}

# find_kernel NAME DEBUG: sets suite, base, release, the path of vmlinuz, and
# kernel_layers and lower: what lies over base, and all of it for an overlay.
find_kernel() {
	local name=$1 debug=$2 pattern
	case $name in
	6.1) suite=bookworm pattern='6.1.*' ;;
	6.12) suite=trixie pattern='6.12.*' ;;
	7.x) suite=trixie pattern='7.*' ;;
	6.1.*) suite=bookworm pattern=$name ;;
	[67].*.*) suite=trixie pattern=$name ;;
	*) die "unknown kernel '$name': use 6.1, 6.12, 7.x or an exact release such as 6.12.107+deb13-amd64" ;;
	esac
	base=$(base_of "$suite")
	kernel_layers=()
	lower=$base
	if [ -n "$debug" ]; then
		[ "$name" = 6.12 ] || die "--debug goes with kernel 6.12, not with $name"
		kernel_layers=("$(debug_kernel_of "$base")")
		lower=${kernel_layers[0]}:$base
		release=$(cat "${kernel_layers[0]}/usr/lib/modules/io_unified-debug-release")
		vmlinuz=${kernel_layers[0]}/boot/vmlinuz-$release
		return
	fi
	release=$(release_in "$base" "$pattern")
	[ -n "$release" ] ||
		die "no kernel $name in the $suite root; it has: $(ls "$base/usr/lib/modules")"
	vmlinuz=$base/boot/vmlinuz-$release
}
