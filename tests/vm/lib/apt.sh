# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the sourcing scripts
# Packages of another suite, without touching the host's own apt state.

# private_apt DIR: makes an apt state in DIR for the sources.list on stdin, and
# sets apt_options to use it.  The host's own sources stay as they are.
private_apt() {
	local dir=$1
	mkdir -p "$dir/lists/partial" "$dir/archives/partial"
	: >"$dir/status"
	cat >"$dir/sources.list"
	apt_options=(
		-o "Dir::Etc::SourceList=$dir/sources.list"
		-o Dir::Etc::SourceParts=/dev/null
		-o Dir::Etc::PreferencesParts=/dev/null
		-o "Dir::State::Lists=$dir/lists"
		-o "Dir::State::Status=$dir/status"
		-o "Dir::Cache=$dir"
		-o APT::Sandbox::User=root
	)
	apt-get "${apt_options[@]}" update
}

# fetch_kernel_source DIR [PATTERN...]: Debian's source of the 6.12 kernel, or
# the files of it that match, in DIR/linux.
fetch_kernel_source() {
	local dir=$1 pattern=()
	shift
	[ $# -eq 0 ] || pattern=(--wildcards "$@")
	rm -rf --one-file-system "$dir"
	mkdir -p "$dir"
	find_mirrors
	private_apt "$dir/apt" < <(sources_of trixie)
	(cd "$dir" && apt-get "${apt_options[@]}" download linux-source-6.12)
	dpkg-deb --fsys-tarfile "$dir"/linux-source-6.12_*.deb |
		tar -C "$dir" -xf - --strip-components=3 --wildcards \
			'./usr/src/linux-source-6.12.tar*'
	tar -C "$dir" -xf "$dir"/linux-source-6.12.tar* "${pattern[@]}"
	rm -rf "$dir/apt" "$dir"/*.deb "$dir"/linux-source-6.12.tar*
	mv "$dir/linux-source-6.12" "$dir/linux"
}
