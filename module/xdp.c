// SPDX-License-Identifier: GPL-2.0
/*
 * The XDP program that sends a device's queues to AF_XDP sockets
 *
 * One program and one XSKMAP for each device, shared by all of its queues that
 * are attached. Both are made through bpf() as the attaching process, with its
 * rights; what stays is references on the map and on the link, no descriptors.
 *
 * bpf() talks in file descriptors, so for a moment there are some in the
 * process's table, where its other threads can see them, close them or put
 * something else in their place. Nobody but the process itself is hurt: each
 * descriptor is looked up by type, its rights are the process's own, and what
 * it could do with the map it could do with a map of its own.
 */
#include <linux/bpf.h>
#include <linux/capability.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/filter.h>
#include <linux/if_link.h>
#include <linux/list.h>
#include <linux/mutex.h>
#include <linux/slab.h>
#include <linux/spinlock.h>

#include "compat/net.h"
#include "xdp.h"

IOU_IMPORT_BPF;

/**
 * struct iou_xdp - the program on a device
 * @node: in iou_xdps
 * @dev: the device, NULL when it is gone. Only compared
 * @map: XSKMAP by receive queue
 * @link: keeps the program on the device
 * @users: queues
 * @generic: in the stack, not in the driver
 */
struct iou_xdp {
	struct list_head node;
	struct net_device *dev;
	struct bpf_map *map;
	struct bpf_link *link;
	unsigned int users;
	bool generic;
};

/* Outside of rtnl, which bpf() takes. */
static DEFINE_MUTEX(iou_xdp_mutex);
/* Protects the list and iou_xdp.dev from iou_xdp_gone(), inside of rtnl. */
static DEFINE_SPINLOCK(iou_xdp_lock);
static LIST_HEAD(iou_xdps);

static struct bpf_map *iou_xdp_make_map(u32 entries, int *fd)
{
	union bpf_attr attr = {};
	struct bpf_map *map;

	attr.map_type = BPF_MAP_TYPE_XSKMAP;
	attr.key_size = sizeof(u32);
	attr.value_size = sizeof(u32);
	attr.max_entries = entries;
	strscpy(attr.map_name, "iou_xsks", sizeof(attr.map_name));
	*fd = kern_sys_bpf(BPF_MAP_CREATE, &attr, sizeof(attr));
	if (*fd < 0)
		return ERR_PTR(*fd);

	map = bpf_map_get(*fd);
	if (!IS_ERR(map) && (map->map_type != BPF_MAP_TYPE_XSKMAP ||
			     map->max_entries != entries)) {
		bpf_map_put(map);
		map = ERR_PTR(-EBADF);
	}
	if (IS_ERR(map))
		close_fd(*fd);
	return map;
}

static int iou_xdp_load(int map_fd)
{
	static const char license[] = "GPL";
	/* return bpf_redirect_map(&xsks, ctx->rx_queue_index, XDP_PASS); */
	struct bpf_insn insns[] = {
		BPF_LDX_MEM(BPF_W, BPF_REG_2, BPF_REG_1,
			    offsetof(struct xdp_md, rx_queue_index)),
		BPF_LD_IMM64_RAW(BPF_REG_1, BPF_PSEUDO_MAP_FD, 0),
		BPF_MOV64_IMM(BPF_REG_3, XDP_PASS),
		BPF_RAW_INSN(BPF_JMP | BPF_CALL, 0, 0, 0,
			     BPF_FUNC_redirect_map),
		BPF_EXIT_INSN(),
	};
	union bpf_attr attr = {};

	insns[1].imm = map_fd;
	attr.prog_type = BPF_PROG_TYPE_XDP;
	attr.expected_attach_type = BPF_XDP;
	attr.insn_cnt = ARRAY_SIZE(insns);
	attr.insns = (uintptr_t)insns;
	attr.license = (uintptr_t)license;
	strscpy(attr.prog_name, "iou_rx", sizeof(attr.prog_name));
	return kern_sys_bpf(BPF_PROG_LOAD, &attr, sizeof(attr));
}

static struct bpf_link *iou_xdp_link(int prog_fd, int ifindex, u32 flags)
{
	union bpf_attr attr = {};
	struct bpf_link *link;
	int fd;

	attr.link_create.prog_fd = prog_fd;
	attr.link_create.target_ifindex = ifindex;
	attr.link_create.attach_type = BPF_XDP;
	attr.link_create.flags = flags;
	fd = kern_sys_bpf(BPF_LINK_CREATE, &attr, sizeof(attr));
	if (fd < 0)
		return ERR_PTR(fd);

	link = bpf_link_get_from_fd(fd);
	if (!IS_ERR(link) &&
	    (link->type != BPF_LINK_TYPE_XDP || !link->ops->detach)) {
		bpf_link_put(link);
		link = ERR_PTR(-EBADF);
	}
	close_fd(fd);
	return link;
}

static struct bpf_link *iou_xdp_attach(struct net_device *dev, int prog_fd,
				       bool generic, bool *is_generic)
{
	struct bpf_link *link = ERR_PTR(-EOPNOTSUPP);

	*is_generic = false;
	if (dev->netdev_ops->ndo_bpf)
		link = iou_xdp_link(prog_fd, dev->ifindex, XDP_FLAGS_DRV_MODE);
	if (!IS_ERR(link) || !generic || PTR_ERR(link) == -EBUSY)
		return link;

	*is_generic = true;
	return iou_xdp_link(prog_fd, dev->ifindex, XDP_FLAGS_SKB_MODE);
}

static struct iou_xdp *iou_xdp_make(struct net_device *dev, bool generic)
{
	int map_fd, prog_fd, ret;
	struct iou_xdp *x;

	x = kzalloc(sizeof(*x), GFP_KERNEL);
	if (!x)
		return ERR_PTR(-ENOMEM);

	x->dev = dev;
	x->users = 1;
	x->map = iou_xdp_make_map(dev->num_rx_queues, &map_fd);
	if (IS_ERR(x->map)) {
		ret = PTR_ERR(x->map);
		goto err_free;
	}

	prog_fd = iou_xdp_load(map_fd);
	close_fd(map_fd);
	if (prog_fd < 0) {
		ret = prog_fd;
		goto err_map;
	}

	x->link = iou_xdp_attach(dev, prog_fd, generic, &x->generic);
	close_fd(prog_fd);
	if (IS_ERR(x->link)) {
		ret = PTR_ERR(x->link);
		goto err_map;
	}
	return x;

err_map:
	bpf_map_put(x->map);
err_free:
	kfree(x);
	return ERR_PTR(ret);
}

static struct iou_xdp *iou_xdp_find(const struct net_device *dev)
{
	struct iou_xdp *x;

	list_for_each_entry(x, &iou_xdps, node)
		if (x->dev == dev)
			return x;
	return NULL;
}

struct iou_xdp *iou_xdp_get(struct net_device *dev, bool generic)
{
	struct iou_xdp *x;

	/* What is shared takes no less than what is made. */
	if (!bpf_capable() || !capable(CAP_NET_ADMIN))
		return ERR_PTR(-EPERM);

	mutex_lock(&iou_xdp_mutex);
	spin_lock(&iou_xdp_lock);
	x = iou_xdp_find(dev);
	spin_unlock(&iou_xdp_lock);

	if (!x) {
		x = iou_xdp_make(dev, generic);
		if (!IS_ERR(x)) {
			spin_lock(&iou_xdp_lock);
			list_add(&x->node, &iou_xdps);
			spin_unlock(&iou_xdp_lock);
		}
	} else if (x->generic && !generic) {
		x = ERR_PTR(-EOPNOTSUPP);
	} else {
		x->users++;
	}
	mutex_unlock(&iou_xdp_mutex);
	return x;
}

void iou_xdp_gone(const struct net_device *dev)
{
	struct iou_xdp *x;

	/*
	 * The link has left the device by itself, or, where it only moves to
	 * another namespace, passes packets on until the last queue is detached.
	 */
	spin_lock(&iou_xdp_lock);
	x = iou_xdp_find(dev);
	if (x)
		x->dev = NULL;
	spin_unlock(&iou_xdp_lock);
}

void iou_xdp_put(struct iou_xdp *x)
{
	mutex_lock(&iou_xdp_mutex);
	if (--x->users) {
		mutex_unlock(&iou_xdp_mutex);
		return;
	}
	spin_lock(&iou_xdp_lock);
	list_del(&x->node);
	spin_unlock(&iou_xdp_lock);
	/*
	 * The last put of a link may detach later, from a work item: whoever
	 * attaches next would find the device busy.
	 */
	x->link->ops->detach(x->link);
	mutex_unlock(&iou_xdp_mutex);

	bpf_link_put(x->link);
	bpf_map_put(x->map);
	kfree(x);
}

bool iou_xdp_is_generic(const struct iou_xdp *x)
{
	return x->generic;
}

int iou_xdp_set_queue(struct iou_xdp *x, u32 queue, struct file *file)
{
	struct socket *sock = sock_from_file(file);
	u32 key = queue, value;
	int fd, ret;

	/* The map wants the socket as a descriptor. */
	fd = get_unused_fd_flags(O_CLOEXEC);
	if (fd < 0)
		return fd;
	fd_install(fd, get_file(file));
	value = fd;

	rcu_read_lock();
	ret = x->map->ops->map_update_elem(x->map, &key, &value, BPF_ANY);
	/* Was it our socket, or did another thread change the descriptor? */
	if (!ret && x->map->ops->map_lookup_elem(x->map, &key) != sock->sk) {
		x->map->ops->map_delete_elem(x->map, &key);
		ret = -EBADF;
	}
	rcu_read_unlock();

	close_fd(fd);
	return ret;
}

void iou_xdp_clear_queue(struct iou_xdp *x, u32 queue)
{
	u32 key = queue;

	rcu_read_lock();
	x->map->ops->map_delete_elem(x->map, &key);
	rcu_read_unlock();
}
