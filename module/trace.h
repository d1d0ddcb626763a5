/* SPDX-License-Identifier: GPL-2.0 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM io_unified

#if !defined(IOU_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define IOU_TRACE_H

#include <linux/tracepoint.h>

#include "iou.h"

/* Events are laid out as in the kernel's own headers. */
/* clang-format off */
#define iou_show_ops(ops)						\
	__print_flags(ops, "|", { IO_UNIFIED_OP_NETWORK, "NETWORK" },	\
		      { IO_UNIFIED_OP_BPF, "BPF" },			\
		      { IO_UNIFIED_OP_NVME, "NVME" })

TRACE_EVENT(io_unified_submit,
	TP_PROTO(const struct iou_region *r, const struct io_unified_desc *d),
	TP_ARGS(r, d),
	TP_STRUCT__entry(
		__field(const void *, region)
		__field(u64, user_data)
		__field(u64, addr)
		__field(u64, dev_offset)
		__field(u32, len)
		__field(u32, ops)
		__field(u32, flags)
	),
	TP_fast_assign(
		__entry->region = r;
		__entry->user_data = d->user_data;
		__entry->addr = d->addr;
		__entry->dev_offset = d->dev_offset;
		__entry->len = d->len;
		__entry->ops = d->ops;
		__entry->flags = d->flags;
	),
	TP_printk("region=%p user_data=0x%llx ops=%s flags=0x%x addr=%llu len=%u dev_offset=%llu",
		  __entry->region, __entry->user_data,
		  iou_show_ops(__entry->ops), __entry->flags, __entry->addr,
		  __entry->len, __entry->dev_offset)
);

TRACE_EVENT(io_unified_stage,
	TP_PROTO(const struct iou_region *r, const struct io_unified_desc *d,
		 u32 stage, u64 addr, u32 len),
	TP_ARGS(r, d, stage, addr, len),
	TP_STRUCT__entry(
		__field(const void *, region)
		__field(u64, user_data)
		__field(u64, addr)
		__field(u32, len)
		__field(u32, stage)
	),
	TP_fast_assign(
		__entry->region = r;
		__entry->user_data = d->user_data;
		__entry->addr = addr;
		__entry->len = len;
		__entry->stage = stage;
	),
	TP_printk("region=%p user_data=0x%llx stage=%s addr=%llu len=%u",
		  __entry->region, __entry->user_data,
		  iou_show_ops(__entry->stage), __entry->addr, __entry->len)
);

TRACE_EVENT(io_unified_complete,
	TP_PROTO(const struct iou_region *r, const struct io_unified_desc *d,
		 s32 res, u16 reason, u32 flags),
	TP_ARGS(r, d, res, reason, flags),
	TP_STRUCT__entry(
		__field(const void *, region)
		__field(u64, user_data)
		__field(u32, ops)
		__field(u32, flags)
		__field(s32, res)
		__field(u16, reason)
	),
	TP_fast_assign(
		__entry->region = r;
		__entry->user_data = d->user_data;
		__entry->ops = d->ops;
		__entry->flags = flags;
		__entry->res = res;
		__entry->reason = reason;
	),
	TP_printk("region=%p user_data=0x%llx ops=%s res=%d reason=%u flags=0x%x",
		  __entry->region, __entry->user_data,
		  iou_show_ops(__entry->ops), __entry->res, __entry->reason,
		  __entry->flags)
);

#endif /* IOU_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
