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
