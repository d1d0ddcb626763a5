# shellcheck shell=bash
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
