# shellcheck shell=bash
# The Debian mirrors of this host, taken from its own apt configuration.

# mirror_of LABEL: the first archive of that label that apt knows.
mirror_of() {
	# shellcheck disable=SC2016 # apt expands these itself
	apt-get indextargets --format '$(LABEL) $(REPO_URI)' |
		sed -n "s/^$1 //p" | head -n 1
}

# find_mirrors: sets mirror and security_mirror.
find_mirrors() {
	mirror=${IO_UNIFIED_MIRROR:-$(mirror_of Debian)}
	security_mirror=${IO_UNIFIED_SECURITY_MIRROR:-$(mirror_of Debian-Security)}
	if [ -z "$mirror" ]; then	# apt has no index yet: fetch it, ask again
		apt-get update >/dev/null
		mirror=$(mirror_of Debian)
		security_mirror=${security_mirror:-$(mirror_of Debian-Security)}
	fi
	[ -n "$mirror" ] || {
		echo "no Debian mirror in this host's apt configuration; set IO_UNIFIED_MIRROR" >&2
		return 1
	}
	[ -n "$security_mirror" ] ||
		echo "no security archive in the host's apt configuration: building without it" >&2
}

# sources_of SUITE: sources.list lines for that suite and its updates.
sources_of() {
	local suite=$1
	echo "deb $mirror $suite main"
	echo "deb $mirror $suite-updates main"
	[ -z "$security_mirror" ] ||
		echo "deb $security_mirror $suite-security main"
	[ "$suite" != trixie ] || echo "deb $mirror $suite-backports main"
}
