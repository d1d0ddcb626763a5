# shellcheck shell=bash disable=SC2034,SC2154 # names shared with the sourcing scripts
# From --nvme, --nic and --link to QEMU's arguments, appended to the array qemu_args.

nvme_count=0
namespaces=0
nic_count=0
wire=()		# what starts QEMU with the wire's ends at wire_fd and the next
wire_fd=100

# add_nvme SIZE[,key=value]... RUN_DIR: one controller, its images sparse files.
#   lba=N      logical and physical block size of its namespaces
#   ns=N       that many namespaces of SIZE each (1)
#   file=PATH  keep the image there instead of throwing it away
#   others     go to QEMU's nvme device as they are (mdts=5, max_ioqpairs=2, ...)
add_nvme() {
	local run=$1 size=${2%%,*} option options=() id=nvme$nvme_count
	local lba=512 count=1 file='' extra='' n image drive block
	[ "$size" = "$2" ] || IFS=, read -ra options <<<"${2#*,}"
	for option in "${options[@]}"; do
		case $option in
		lba=*) lba=${option#*=} ;;
		ns=*) count=${option#*=} ;;
		file=*) file=${option#*=} ;;
		*=*) extra+=,$option ;;
		*) die "--nvme $2: '$option' is not key=value" ;;
		esac
	done
	[ -z "$file" ] || [ "$count" = 1 ] || die "--nvme $2: file= is for one namespace"

	block=logical_block_size=$lba,physical_block_size=$lba
	[ "$count" = 1 ] || qemu_args+=(-device "nvme,id=$id,serial=iou$nvme_count$extra")
	for n in $(seq "$count"); do
		image=${file:-$run/$id-$n.img}
		truncate -s "$size" "$image" 2>/dev/null ||
			die "--nvme $2: '$size' is no size (64M, 1G) or $image cannot be made"
		drive=$id-drive$n
		qemu_args+=(-drive "file=$image,id=$drive,if=none,format=raw,cache=unsafe,discard=unmap")
		if [ "$count" = 1 ]; then
			qemu_args+=(-device "nvme,id=$id,serial=iou$nvme_count,drive=$drive,$block$extra")
		else
			# Not shared: a shared namespace is a multipath head in Linux.
			qemu_args+=(-device "nvme-ns,bus=$id,drive=$drive,nsid=$n,shared=off,$block")
		fi
	done
	namespaces=$((namespaces + count))
	nvme_count=$((nvme_count + 1))
}

# add_nics MODEL[,key=value]...: what one NIC sends the others receive.  Two are
# wired to each other by a socket pair, which keeps the order of packets; more sit
# on a hub, where a packet that finds a NIC busy may be overtaken by the next.
add_nics() {
	local spec
	for spec; do
		if [ $# = 2 ]; then
			wire=(perl "$vm_dir/lib/wire.pl")
			add_nic "$spec" "socket,fd=$((wire_fd + nic_count))"
		else
			add_nic "$spec" hubport,hubid=0
		fi
	done
}

# add_nic MODEL[,key=value]... NETDEV
add_nic() {
	local model=${1%%,*} netdev=$2 extra='' mac
	[ "$model" = "$1" ] || extra=,${1#*,}
	case $extra, in
	*,mac=*) mac= ;;
	*) mac=,mac=52:54:00:12:34:$((50 + nic_count)) ;;
	esac
	case $model in
	virtio-net-pci)	# what AF_XDP zero-copy wants of it
		extra=,iommu_platform=on,disable-legacy=on$extra ;;
	esac
	qemu_args+=(
		-netdev "$netdev,id=net$nic_count"
		-device "$model,netdev=net$nic_count$mac,romfile=$extra"
	)
	nic_count=$((nic_count + 1))
}

# add_link MINE:OTHER: a NIC whose packets go from one VM's socket to another's.
add_link() {
	local mine=${1%%:*} other=${1#*:}
	if [ "$mine" = "$1" ] || [ -z "$mine" ] || [ -z "$other" ]; then
		die "--link $1: not MINE:OTHER, two sockets' paths"
	fi
	add_nic "virtio-net-pci,mac=$(mac_of "$mine")" \
		"dgram,local.type=unix,local.path=$mine,remote.type=unix,remote.path=$other"
}

# mac_of NAME: always the same for it, and another one for another.
mac_of() {
	local hash
	hash=$(printf '%s' "$1" | sha256sum)
	echo "52:54:00:${hash:0:2}:${hash:2:2}:${hash:4:2}"
}
