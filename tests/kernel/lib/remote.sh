# SPDX-License-Identifier: GPL-2.0
# shellcheck shell=bash
# Remote namespaces: a target by configfs, the kernel's initiator, and remote_io on what
# it finds. For tests that have tap.sh.

nqn=iou-remote
nvmet=/sys/kernel/config/nvmet
here=$(dirname "$(readlink -f "$0")")
dir=$(mktemp -d)

# -------------------------------------------------------------------- target

mount_configfs() {
	modprobe -q configfs
	mountpoint -q /sys/kernel/config || mount -t configfs configfs /sys/kernel/config
}

port_up() { ln -s $nvmet/subsystems/$nqn $nvmet/ports/1/subsystems/$nqn; }
port_down() { rm $nvmet/ports/1/subsystems/$nqn; }

# export_disk DISK TRANSPORT [ADDRESS]
export_disk() {
	mkdir $nvmet/subsystems/$nqn $nvmet/subsystems/$nqn/namespaces/1 \
		$nvmet/ports/1 || return 1
	echo 1 >$nvmet/subsystems/$nqn/attr_allow_any_host
	echo -n "$1" >$nvmet/subsystems/$nqn/namespaces/1/device_path
	# It is the same one after a restart: an initiator drops one that is not.
	echo 6cd4a4ae-7bd8-4f3c-9d4d-2f0b1a3f6e10 >$nvmet/subsystems/$nqn/namespaces/1/device_uuid
	echo -n iouremote >$nvmet/subsystems/$nqn/attr_serial
	echo 1 >$nvmet/subsystems/$nqn/namespaces/1/enable || return 1
	echo "$2" >$nvmet/ports/1/addr_trtype || return 1
	if [ "$2" = tcp ]; then
		echo ipv4 >$nvmet/ports/1/addr_adrfam
		echo "$3" >$nvmet/ports/1/addr_traddr
		echo 4420 >$nvmet/ports/1/addr_trsvcid
	fi
	port_up
}

# ----------------------------------------------------------------- initiator

# find_dev: sets dev. Not the hidden paths behind a multipath head.
find_dev() {
	local d name=''
	for d in /sys/block/nvme*n*; do
		case ${d##*/} in nvme*c*n*) continue ;; esac
		read -r name 2>/dev/null <"$d/device/subsysnqn"
		[ "$name" = $nqn ] || continue
		dev=/dev/${d##*/}
		[ -b "$dev" ] && return
	done
	return 1
}
no_dev() { ! find_dev; }

# state_of: sets state to that of the controller, "" if there is none
state_of() {
	local c name=''
	state=''
	for c in /sys/class/nvme/nvme*; do
		read -r name 2>/dev/null <"$c/subsysnqn"
		[ "$name" != $nqn ] || read -r state 2>/dev/null <"$c/state"
	done
}
state_is() { state_of && [ "$state" = "$1" ]; }
no_path() { state_is ''; }

# connect_tcp ADDRESS SECONDS: how long to try when the connection is lost
connect_tcp() {
	echo "nqn=$nqn,transport=tcp,traddr=$1,trsvcid=4420,keep_alive_tmo=5,reconnect_delay=1,ctrl_loss_tmo=$2" \
		>/dev/nvme-fabrics && until_true 20 find_dev
}
# A loop has no connection to lose: without its target it goes.
connect_loop() { echo "nqn=$nqn,transport=loop" >/dev/nvme-fabrics && until_true 20 find_dev; }
disconnect() {
	local c
	for c in /sys/class/nvme/nvme*; do
		[ "$(cat "$c/subsysnqn" 2>/dev/null)" = $nqn ] || continue
		echo 1 >"$c/delete_controller"
	done
	until_true 20 no_dev
}

# multipath Y|N: nvme_core is asked when it is loaded
multipath() {
	local module
	[ "$(cat /sys/module/nvme_core/parameters/multipath 2>/dev/null)" != "$1" ] ||
		return 0
	rmmod io_unified || return 1
	for module in nvme-loop nvmet-tcp nvmet nvme-tcp nvme-fabrics nvme; do
		modprobe -q -r $module
	done
	modprobe -q -r nvme_core
	modprobe nvme_core multipath="$1"
	modprobe nvme
	modprobe io_unified
	[ "$(cat /sys/module/nvme_core/parameters/multipath)" = "$1" ]
}

# ------------------------------------------------------------------------ ops

declare -A io_pid io_fd

# io_start NAME OPTION...: remote_io in the background, until io_end NAME
io_start() {
	local name=$1 fd
	shift
	rm -f "$dir/go.$name"
	mkfifo "$dir/go.$name"
	: >"$dir/io.$name"
	(
		# It would keep the others' input open.
		for fd in "${io_fd[@]}"; do exec {fd}>&-; done
		exec "$here/remote_io" "$dev" "$@"
	) <"$dir/go.$name" >"$dir/io.$name" 2>&1 &
	io_pid[$name]=$!
	exec {fd}>"$dir/go.$name"
	io_fd[$name]=$fd
	until_true 30 more_than "$name" 0
}
io_detach() { echo >&"${io_fd[$1]}"; }
io_end() {
	local status fd=${io_fd[$1]}
	exec {fd}>&-
	unset "io_fd[$1]"
	wait "${io_pid[$1]}"
	status=$?
	sed -n '/^good/!{ s/^#* */# /; p }; ${ /^good/{ s/^/# /; p } }' "$dir/io.$1"
	[ $status = 0 ] || echo "# exit status $status"
	return $status
}
# count NAME: sets good and bad to what it said last.
count() {
	local word n rest
	good=0 bad=0
	while read -r word n _ rest; do
		[ "$word" != good ] || good=$n bad=${rest%% *}
	done <"$dir/io.$1"
}
some_failed() { count "$1" && [ "$bad" -gt 0 ]; }
none_failed() { count "$1" && [ "$bad" = 0 ]; }
path_is() { has_line "$dir/io.$1" "path $2"; }
more_than() { count "$1" && [ "$good" -gt "$2" ]; }
runs() { count "$1" && until_true 60 more_than "$1" $((good + 50)); }
