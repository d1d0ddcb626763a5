// SPDX-License-Identifier: MIT
/* Write a frame to a block device and read it back: hello /dev/nvme0n1 */
#include <fcntl.h>
#include <stdio.h>
#include <iounified.h>

int main(int argc, char **argv)
{
	struct iou_region_params params = { .frames = 2 };
	struct io_unified_attach nvme;
	struct io_uring ring;
	struct iou_region r;
	struct iou_result wrote, got;

	io_uring_queue_init(8, &ring, IORING_SETUP_SQE128 | IORING_SETUP_CQE32);
	params.ring = &ring;
	if (argc < 2 || iou_region_init(&r, iou_open(), &params) ||
	    iou_attach_storage(&r, open(argv[1], O_RDWR | O_EXCL), 0, 0, 0,
			       &nvme))
		return 1;

	strcpy(iou_frame(&r, 0), "hello, drive");
	iou_prep_write(io_uring_get_sqe(&ring), &r, nvme.index,
		       iou_frame_addr(&r, 0), 4096, 0);
	wrote = iou_submit_and_wait(&ring);
	iou_prep_read(io_uring_get_sqe(&ring), &r, nvme.index,
		      iou_frame_addr(&r, 1), 4096, 0);
	got = iou_submit_and_wait(&ring);

	printf("%s: wrote %d, read %d: %s\n", iou_strpath(nvme.path), wrote.res,
	       got.res, (char *)iou_frame(&r, 1));
	iou_region_exit(&r);
	return wrote.res == 4096 && got.res == 4096 ? 0 : 1;
}
