// SPDX-License-Identifier: GPL-2.0
/*
 * XDP programs run over bytes of the region
 *
 * A program sees the bytes as a packet and the control block as its metadata.
 * Both are shared with user space, which may write to them while the program
 * runs: what the program left is copied once and judged on the copy.
 */
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/slab.h>
#include <net/net_namespace.h>

#include "bpf.h"
#include "compat/compat.h"

static int iou_bpf_verdict(u32 verdict, bool sends, u16 *reason)
{
	switch (verdict) {
	case XDP_PASS:
		return 0;
	case XDP_DROP:
		*reason = IO_UNIFIED_REASON_BPF_DROP;
		return -ENODATA;
	case XDP_TX:
		if (sends)
			return 0;
		*reason = IO_UNIFIED_REASON_BPF_TX;
		return -EOPNOTSUPP;
	case XDP_REDIRECT:
		*reason = IO_UNIFIED_REASON_BPF_REDIRECT;
		return -EOPNOTSUPP;
	default:
		*reason = IO_UNIFIED_REASON_BPF_ABORTED;
		return -EIO;
	}
}

/*
 * The packet of the program that runs on this CPU, if it is one of ours. It lives
 * as long as it is here, so no other packet can be at its address. BH are off:
 * nothing but a driver that netpoll() polls can come in between, and what we
 * are called for from there has a packet of its own.
 */
static DEFINE_PER_CPU(const struct xdp_buff *, iou_bpf_running);

bool iou_bpf_runs(const struct xdp_buff *xdp)
{
	return __this_cpu_read(iou_bpf_running) == xdp;
}

static u32 iou_bpf_prog_run(struct bpf_prog *prog, struct xdp_buff *xdp)
{
	struct bpf_net_context net_ctx_storage __uninitialized, *net_ctx;
	const struct xdp_buff *outer;
	u32 act;

	/* It is an RCU read-side section as well, as for a driver's NAPI. */
	local_bh_disable();
	net_ctx = bpf_net_ctx_set(&net_ctx_storage);
	outer = __this_cpu_read(iou_bpf_running);
	__this_cpu_write(iou_bpf_running, xdp);
	act = bpf_prog_run(prog, xdp);
	__this_cpu_write(iou_bpf_running, outer);
	bpf_net_ctx_clear(net_ctx);
	local_bh_enable();
	return act;
}

/* What the program left. */
static int iou_bpf_result(const struct iou_bpf_in *in, struct iou_bpf_out *out)
{
	struct io_unified_bpf_ctl *ctl = &out->ctl;

	if (ctl->flags & ~in->allowed ||
	    (ctl->flags && out->verdict != XDP_PASS)) {
		out->reason = IO_UNIFIED_REASON_CTL_FLAGS;
		return -EINVAL;
	}
	if (ctl->flags & IO_UNIFIED_CTL_AGAIN)
		return 0;
	/* Left as it was, all that head and tail leave is kept. */
	if (ctl->len == in->len)
		ctl->len = out->len;
	if (ctl->len > out->len) {
		out->reason = IO_UNIFIED_REASON_CTL_LEN;
		return -EINVAL;
	}
	return 0;
}

int iou_bpf_run(struct iou_prog *p, const struct iou_bpf_in *in,
		struct iou_bpf_out *out)
{
	struct xdp_rxq_info own __uninitialized, *rxq = &p->rxq;
	struct xdp_buff xdp __uninitialized;
	u8 *start;
	int ret;

	if (in->dev) {
		own = (struct xdp_rxq_info){ .dev = in->dev,
					     .queue_index = in->queue };
		rxq = &own;
	}
	/*
	 * The kernel keeps struct xdp_frame in front of a packet and struct
	 * skb_shared_info behind it, and bpf_xdp_adjust_head() and _tail() leave
	 * them room. We have neither: only the arithmetic is made to fit.
	 */
	start = in->start - sizeof(struct xdp_frame);
	xdp_init_buff(&xdp,
		      in->end - start +
			      SKB_DATA_ALIGN(sizeof(struct skb_shared_info)),
		      rxq);
	xdp_prepare_buff(&xdp, start, in->data - start, in->len, true);
	xdp.data_meta = xdp.data - sizeof(out->ctl);
	xdp.txq = NULL;

	iou_count(p->att.stats, IO_UNIFIED_STAT_BPF_RUNS, 1);
	out->reason = IO_UNIFIED_REASON_NONE;
	out->verdict = iou_bpf_prog_run(p->prog, &xdp);
	ret = iou_bpf_verdict(out->verdict, in->sends, &out->reason);
	if (ret)
		return ret;

	if (xdp.data - xdp.data_meta != sizeof(out->ctl)) {
		out->reason = IO_UNIFIED_REASON_CTL_META;
		return -EINVAL;
	}
	memcpy(&out->ctl, xdp.data_meta, sizeof(out->ctl));
	/* The copy is what counts from here on, and is not read again. */
	barrier();
	out->data = xdp.data;
	out->len = xdp.data_end - xdp.data;
	return iou_bpf_result(in, out);
}

static void iou_bpf_release(struct iou_att *att)
{
	struct iou_prog *p = iou_att_prog(att);

	bpf_prog_put(p->prog);
	iou_att_exit(att);
	kfree(p);
}

static void iou_bpf_show(struct iou_att *att, struct seq_file *m)
{
	const struct bpf_prog_aux *aux = iou_att_prog(att)->prog->aux;

	seq_printf(m, "iou-bpf-%u:\tprog_id=%u name=%s\n", att->index, aux->id,
		   aux->name);
}

static const struct iou_att_ops iou_bpf_ops = {
	.release = iou_bpf_release,
	.show = iou_bpf_show,
};

/* Maps that only XDP_REDIRECT reads: a program that has one expects it. */
static bool iou_bpf_redirects(const struct bpf_prog *prog)
{
	struct bpf_prog_aux *aux = prog->aux;
	bool found = false;
	u32 i;

	mutex_lock(&aux->used_maps_mutex);
	for (i = 0; i < aux->used_map_cnt && !found; i++) {
		switch (aux->used_maps[i]->map_type) {
		case BPF_MAP_TYPE_DEVMAP:
		case BPF_MAP_TYPE_DEVMAP_HASH:
		case BPF_MAP_TYPE_CPUMAP:
		case BPF_MAP_TYPE_XSKMAP:
			found = true;
			break;
		default:
			break;
		}
	}
	mutex_unlock(&aux->used_maps_mutex);
	return found;
}

static int iou_bpf_prog_get(struct iou_prog *p, struct io_unified_attach *arg)
{
	struct bpf_prog *prog;

	prog = bpf_prog_get_type_dev(arg->fd, BPF_PROG_TYPE_XDP, false);
	if (IS_ERR(prog)) {
		arg->reason = PTR_ERR(prog) == -EBADF ?
				      IO_UNIFIED_REASON_BAD_FD :
				      IO_UNIFIED_REASON_PROG_TYPE;
		return PTR_ERR(prog);
	}
	/* 0: loaded by who does not set it; else as for a device's program. */
	if ((prog->expected_attach_type &&
	     prog->expected_attach_type != BPF_XDP) ||
	    prog->aux->xdp_has_frags || bpf_prog_is_dev_bound(prog->aux) ||
	    iou_bpf_redirects(prog)) {
		bpf_prog_put(prog);
		arg->reason = IO_UNIFIED_REASON_PROG_HELPERS;
		return -EOPNOTSUPP;
	}
	p->prog = prog;
	return 0;
}

struct iou_att *iou_bpf_attach(struct iou_region *r,
			       struct io_unified_attach *arg)
{
	struct iou_prog *p;
	int ret;

	if (arg->flags) {
		arg->reason = IO_UNIFIED_REASON_FLAGS;
		return ERR_PTR(-EINVAL);
	}
	p = kzalloc(sizeof(*p), GFP_KERNEL_ACCOUNT);
	if (!p)
		return ERR_PTR(-ENOMEM);
	ret = iou_bpf_prog_get(p, arg);
	if (ret)
		goto err_free;
	ret = iou_att_init(&p->att, r, &iou_bpf_ops, IO_UNIFIED_KIND_BPF);
	if (ret)
		goto err_put;
	p->rxq.dev = init_net.loopback_dev;
	return &p->att;

err_put:
	bpf_prog_put(p->prog);
err_free:
	kfree(p);
	return ERR_PTR(ret);
}
