# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the sourcing scripts
# The project on top of a base root: three layers, each named by the hash of
# what it is made of, so that checkouts with different sources do not fight
# and a change rebuilds only what depends on it.
#
#   module   Kbuild, dkms.conf, module/, uapi/: by DKMS, one per kernel;
#            and the test modules (tests/nic)
#   tools    userspace/, uapi/, tests/unit: libiounified, iou
#   tests    tests/kernel and its like, on top of tools

module_sources=(Kbuild dkms.conf module uapi tests/nic)
tools_sources=(dkms.conf userspace uapi tests/unit)
tests_sources=(tests/kernel tests/bench tests/fuzz tests/run-suite tests/tap.awk
	tests/tap_failures.awk tests/tap.sh)

# snapshot DIR: copies what git knows or would add, as it is now, so that an
# edit during the build cannot give a layer the hash of other sources.
snapshot() {
	local dir=$1
	mkdir -p "$dir"
	if git -C "$top_dir" rev-parse --git-dir >/dev/null 2>&1; then
		git -C "$top_dir" ls-files -zco --exclude-standard
	else
		(cd "$top_dir" && find . -type f -print0)
	fi | tar -C "$top_dir" --null --files-from=- --ignore-failed-read \
		-cf - 2>/dev/null | tar -C "$dir" -xf -
}

# layer KIND HASH-INPUT WHAT ARGS...: prints the layer, made if needed.
layer() {
	local kind=$1 key=$2 what=$3 target
	shift 3
	target=$cache/layers/$kind-$(printf '%s' "$key" | sha256sum | cut -c1-16)
	make_once "$target" "$what" "$vm_dir/build/layer-${kind%%-*}" "$@"
	prune "$cache/layers" "$kind-*" 8
	echo "$target"
}

# project_layers SNAPSHOT KINDS: sets layers, topmost first.
project_layers() {
	local snap=$1 kinds=,$2, module tools tests recipe module_key tools_key tests_key
	recipe=$(hash_of "$vm_dir" build/in-root build/layer-module build/layer-tools \
		build/layer-tests)
	# All keys first: the builds write into the snapshot.
	module_key="$recipe $lower $release $(hash_of "$snap" "${module_sources[@]}")"
	tools_key="$recipe $base $(hash_of "$snap" "${tools_sources[@]}")"
	tests_key="$tools_key $(hash_of "$snap" "${tests_sources[@]}")"

	layers=()
	if [ "$kinds" != "${kinds/,module,/}" ]; then
		module=$(layer "module-$release" "$module_key" \
			"io_unified for $release" "$lower" "$release" "$snap")
		layers=("$module")
	fi
	if [ "$kinds" != "${kinds/,tools,/}" ] || [ "$kinds" != "${kinds/,tests,/}" ]; then
		tools=$(layer tools "$tools_key" "the tools in $suite" "$base" "$snap")
		layers=("$tools" "${layers[@]}")
	fi
	if [ "$kinds" != "${kinds/,tests,/}" ]; then
		tests=$(layer tests "$tests_key" "the tests in $suite" "$base" "$tools" "$snap")
		layers=("$tests" "${layers[@]}")
	fi
}
