// SPDX-License-Identifier: MIT
/* What all commands that run for a while need. */
#include <errno.h>
#include <signal.h>
#include <sys/signalfd.h>

#include "iou.h"
#include "session.h"

int session_failed(const struct iou_region *r, int err, const char *what)
{
	char text[640];

	return complain(err == -EINVAL ? IOU_EXIT_FAIL : IOU_EXIT_UNAVAILABLE,
			"%s: %s", what,
			iou_region_strerror(r, err, text, sizeof(text)));
}

int session_ring(struct io_uring *ring, unsigned int entries,
		 unsigned int cq_entries)
{
	struct io_uring_params p = {
		.flags = IORING_SETUP_SQE128 | IORING_SETUP_CQE32 |
			 IORING_SETUP_SINGLE_ISSUER |
			 IORING_SETUP_DEFER_TASKRUN | IORING_SETUP_CLAMP,
		.cq_entries = cq_entries,
	};
	int err;

	if (cq_entries)
		p.flags |= IORING_SETUP_CQSIZE;
	err = io_uring_queue_init_params(entries, ring, &p);
	if (!err)
		return 0;
	return complain(
		IOU_EXIT_UNAVAILABLE, "cannot make an io_uring: %s%s",
		strerror(-err),
		err == -EPERM ? ": see sysctl kernel.io_uring_disabled" : "");
}

int session_wait(struct io_uring *ring, unsigned int nr, uint64_t ns)
{
	struct __kernel_timespec ts = {
		.tv_sec = (int64_t)(ns / NSEC),
		.tv_nsec = (int64_t)(ns % NSEC),
	};
	struct __kernel_timespec patience = { .tv_nsec = SESSION_PATIENCE_NS };
	struct io_uring_cqe *cqe;
	int err;

	if (nr > 1 && ns > SESSION_PATIENCE_NS) {
#ifdef IORING_FEAT_MIN_TIMEOUT
		if (ring->features & IORING_FEAT_MIN_TIMEOUT) {
			err = io_uring_submit_and_wait_min_timeout(
				ring, &cqe, nr, &ts, SESSION_PATIENCE_NS / 1000,
				NULL);
			return err < 0 ? err : 0;
		}
#endif
		/* Before 6.12: where nothing comes meanwhile, it takes two calls. */
		err = io_uring_submit_and_wait_timeout(ring, &cqe, nr,
						       &patience, NULL);
		if (err != -ETIME)
			return err < 0 ? err : 0;
	}
	err = io_uring_submit_and_wait_timeout(ring, &cqe, 1, &ts, NULL);
	return err < 0 ? err : 0;
}

int session_program(struct iou_region *r, struct program *p, const char *file,
		    const char *const *set, unsigned int nr_set,
		    struct io_unified_attach *out)
{
	unsigned int i;
	int err = program_open(p, file);

	for (i = 0; i < nr_set && !err; i++)
		err = program_set(p, set[i]);
	if (!err)
		err = program_load(p);
	if (err)
		return err;
	err = iou_attach_bpf(r, p->fd, out);
	return err ? session_failed(r, err, p->file) : 0;
}

int session_signals(int *fd)
{
	sigset_t set;

	/* nvme-tcp has it sent to who writes while the connection goes. */
	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGHUP);
	sigprocmask(SIG_BLOCK, &set, NULL);
	*fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	if (*fd < 0)
		return complain(IOU_EXIT_FAIL, "cannot make a signalfd: %s",
				strerror(errno));
	return 0;
}
