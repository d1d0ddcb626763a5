/* SPDX-License-Identifier: LGPL-2.1-or-later OR MIT */
/*
 * libiounified: the region's own rings
 *
 * A region has one or more pairs of an SQ and a CQ. An application fills
 * descriptors of an SQ and publishes them; one command, iou_prep_ring() from a
 * linked io_uring or iou_enter() without any, runs a batch of them. Each
 * completes in the CQ. A pair belongs to one thread; pairs share nothing.
 *
 *	struct iou_ring ring;
 *	struct io_unified_desc *d;
 *
 *	iou_ring_init(&ring, &region, 0);
 *	while ((d = iou_ring_get_desc(&ring)))
 *		iou_desc_storage(d, IO_UNIFIED_F_READ, ...);
 *	iou_ring_publish(&ring);
 *	iou_enter(&ring, iou_ring_pending(&ring), 1, 0);
 *	while ((cqe = iou_ring_peek(&ring)))
 *		..., iou_ring_advance(&ring, 1);
 *
 * Included by <iounified.h>.
 */
#ifndef IOUNIFIED_RING_H
#define IOUNIFIED_RING_H

#ifdef __cplusplus
extern "C" {
#endif

/**
 * struct iou_ring - a thread's view of an SQ and its CQ
 * @region: the region
 * @ctrl: indices, shared with the module
 * @sq: descriptors
 * @cq: entries
 * @sq_mask: entries of the SQ, less 1
 * @cq_mask: entries of the CQ, less 1
 * @sq_tail: behind the last descriptor that was filled
 * @index: number of the pair
 */
struct iou_ring {
	struct iou_region *region;
	struct io_unified_ring *ctrl;
	struct io_unified_desc *sq;
	struct io_unified_cqe *cq;
	unsigned int sq_mask;
	unsigned int cq_mask;
	unsigned int sq_tail;
	unsigned int index;
};

/**
 * iou_ring_init() - a view of one pair
 * @ring: filled
 * @r: region
 * @index: which pair, below @r->rings
 *
 * Return: 0, or -EINVAL where the region has no such pair.
 */
int iou_ring_init(struct iou_ring *ring, struct iou_region *r,
		  unsigned int index);

/**
 * iou_ring_get_desc() - the next free descriptor of the SQ
 * @ring: the pair
 *
 * To be filled by an iou_desc_*() function, and published.
 *
 * Return: the descriptor, or NULL where the SQ is full.
 */
static inline struct io_unified_desc *iou_ring_get_desc(struct iou_ring *ring)
{
	unsigned int taken =
		__atomic_load_n(&ring->ctrl->sq_cons, __ATOMIC_ACQUIRE);

	if (ring->sq_tail - taken > ring->sq_mask)
		return NULL;
	return &ring->sq[ring->sq_tail++ & ring->sq_mask];
}

/**
 * iou_ring_publish() - show the module the descriptors that were filled
 * @ring: the pair
 *
 * Return: true where a command has to be sent for them; false where one that
 * runs takes them.
 */
static inline bool iou_ring_publish(struct iou_ring *ring)
{
	__atomic_store_n(&ring->ctrl->sq_prod, ring->sq_tail, __ATOMIC_RELEASE);
	/* the index is seen before we look whether somebody does */
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return __atomic_load_n(&ring->ctrl->sq_flags, __ATOMIC_RELAXED) &
	       IO_UNIFIED_SQ_NEED_WAKEUP;
}

/**
 * iou_ring_pending() - descriptors that the module has not taken yet
 * @ring: the pair
 */
static inline unsigned int iou_ring_pending(const struct iou_ring *ring)
{
	return ring->sq_tail -
	       __atomic_load_n(&ring->ctrl->sq_cons, __ATOMIC_ACQUIRE);
}

/**
 * iou_ring_ready() - number of entries in the CQ
 * @ring: the pair
 */
static inline unsigned int iou_ring_ready(const struct iou_ring *ring)
{
	return __atomic_load_n(&ring->ctrl->cq_prod, __ATOMIC_ACQUIRE) -
	       ring->ctrl->cq_cons;
}

/**
 * iou_ring_peek() - the oldest entry of the CQ
 * @ring: the pair
 *
 * Return: the entry, good until iou_ring_advance(), or NULL if there is none.
 */
static inline struct io_unified_cqe *iou_ring_peek(const struct iou_ring *ring)
{
	if (!iou_ring_ready(ring))
		return NULL;
	return &ring->cq[ring->ctrl->cq_cons & ring->cq_mask];
}

/**
 * iou_ring_advance() - give entries of the CQ back
 * @ring: the pair
 * @nr: how many
 */
static inline void iou_ring_advance(struct iou_ring *ring, unsigned int nr)
{
	__atomic_store_n(&ring->ctrl->cq_cons, ring->ctrl->cq_cons + nr,
			 __ATOMIC_RELEASE);
}

/**
 * iou_prep_ring() - run published descriptors
 * @sqe: SQE of any size, of an io_uring that is linked to the region
 * @ring: the pair
 * @nr: how many at most; 0 = what is in the SQ
 * @flags: IO_UNIFIED_RING_SUBMIT, or 0: the CQE comes when they are done
 */
static inline void iou_prep_ring(struct io_uring_sqe *sqe,
				 const struct iou_ring *ring, unsigned int nr,
				 unsigned int flags)
{
	struct io_unified_ring_cmd *cmd =
		(struct io_unified_ring_cmd *)(void *)((unsigned char *)sqe +
						       IOU_SQE_CMD_OFFSET);
	uint64_t user_data = sqe->user_data;

	memset(sqe, 0, sizeof(*sqe));
	sqe->opcode = IORING_OP_URING_CMD;
	sqe->fd = ring->region->fd;
	sqe->cmd_op = IO_UNIFIED_CMD_RING;
	sqe->user_data = user_data;
	cmd->nr = nr;
	cmd->ring = (uint16_t)ring->index;
	cmd->flags = (uint16_t)flags;
	cmd->reserved = 0;
}

/**
 * iou_enter() - run published descriptors and wait, without io_uring
 * @ring: the pair
 * @to_submit: descriptors, at most
 * @min_complete: wait until the CQ has so many entries
 * @timeout_nsec: or until then; 0 = for ever
 *
 * Return: how many descriptors were taken, or -errno: -ETIME, -EINTR, -EBUSY
 * (the CQ is full), with the reason in the region.
 */
int iou_enter(struct iou_ring *ring, unsigned int to_submit,
	      unsigned int min_complete, uint64_t timeout_nsec);

#ifdef __cplusplus
}
#endif

#endif /* IOUNIFIED_RING_H */
