// SPDX-License-Identifier: GPL-2.0
/* The drive is pulled out of its slot while everything is in flight. */
#include <dirent.h>
#include <libgen.h>
#include <limits.h>
#include <stdlib.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "lib/leak.h"
#include "lib/life.h"

static struct t_life life;
static const struct t_way veth = { "veth", 0 };
static char slot[64];

/* .../0000:00:05.0/nvme/nvme1/nvme1n1 */
static void find_slot(void)
{
	char path[96], real[PATH_MAX], *at;

	snprintf(path, sizeof(path), "/sys/block/%s/device/device",
		 life.disk.name);
	REQUIRE(realpath(path, real), "%s", path);
	at = basename(real);
	REQUIRE(strchr(at, ':'), "%s is no PCI address", at);
	snprintf(slot, sizeof(slot), "%s", at);
}

static void pull(void)
{
	char path[128];

	snprintf(path, sizeof(path), "/sys/bus/pci/devices/%s/remove", slot);
	t_write_file(path, "1");
}

/* Back again; the drive may have another name then. */
static void push(void)
{
	char dir[128], name[NAME_MAX + 1] = "";
	u64 end = t_now_ms() + 20000;
	struct dirent *e, *n;
	char path[600];
	DIR *d, *c;

	t_write_file("/sys/bus/pci/rescan", "1");
	snprintf(dir, sizeof(dir), "/sys/bus/pci/devices/%s/nvme", slot);
	while (!name[0]) {
		REQUIRE(t_now_ms() < end, "the drive does not come back");
		d = opendir(dir);
		while (d && (e = readdir(d))) {
			if (strncmp(e->d_name, "nvme", 4))
				continue;
			snprintf(path, sizeof(path), "%s/%s", dir, e->d_name);
			c = opendir(path);
			while (c && (n = readdir(c)))
				if (!strncmp(n->d_name, "nvme", 4) &&
				    strchr(n->d_name + 4, 'n'))
					snprintf(name, sizeof(name), "%s",
						 n->d_name);
			if (c)
				closedir(c);
		}
		if (d)
			closedir(d);
		usleep(5000);
	}
	snprintf(path, sizeof(path), "/dev/%s", name);
	while (access(path, R_OK)) {
		REQUIRE(t_now_ms() < end, "%s does not appear", path);
		usleep(2000);
	}
	snprintf(life.disk.path, sizeof(life.disk.path), "%.40s", path);
	snprintf(life.disk.name, sizeof(life.disk.name), "%.31s", name);
}

static void one(int round)
{
	struct io_unified_detach d = { .kind = IO_UNIFIED_KIND_STORAGE };

	t_life_open(&life, round);
	t_life_start(&life);
	usleep(round % 11 * 500);
	pull();
	/* Storage ops end by themselves, waiting ones when they are canceled. */
	t_queue_cancel(&life.r, LIFE_RX, 4);
	life.waiting++;
	t_submit(&life.r);
	if (!t_life_reap(&life, 300, false)) {
		/* The stream ends when a write fails, or now. */
		t_queue_cancel(&life.r, LIFE_STREAM, 4);
		life.waiting++;
		t_submit(&life.r);
	}
	REQUIRE(t_life_reap(&life, 15000, false),
		"round %d: %d commands have not ended", round, life.waiting);
	if (round & 1) {
		d.index = life.storage;
		CHECK(!ioctl(life.r.fd, IO_UNIFIED_DETACH, &d));
	}
	t_region_close(&life.r);
	push();
}

/* Kernels forget 4 kB of interrupts and sysfs for each drive that goes. */
static void bare(int round)
{
	pull();
	push();
}

static void removal(void)
{
	t_disk_nvme(&life.disk, 4096, 0);
	find_slot();
	t_link_open(&life.l, &veth, 1500);
	t_traffic_start("iout1");
	t_leak_rounds_over(bare, one, 8, t_rounds());
	t_traffic_stop();
}

static const struct t_case cases[] = {
	{ "programs on other interfaces", t_around_fill },
	{ "drive removed", removal, 900 },
	{ "other interfaces deleted", t_around_empty },
};

int main(int argc, char **argv)
{
	return t_main(cases, ARRAY_SIZE(cases), argc, argv);
}
