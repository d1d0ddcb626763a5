// SPDX-License-Identifier: GPL-2.0
/*
 * replay TX RX FILE: sends the packets of a capture on one interface as fast as
 * the other one takes them, which is at the end of its wire. Sent at a rate, they
 * get lost when an emulated CPU stalls: the ring of a veth has room for 256.
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <pcap.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "lib/iou_test.h"

enum { IN_FLIGHT = 128, STUCK_MS = 3000 };

static char counter[96];
static unsigned long before, lost;

static unsigned long received(void)
{
	unsigned long n = 0;
	FILE *f = fopen(counter, "r");

	if (f) {
		if (fscanf(f, "%lu", &n) != 1)
			n = 0;
		fclose(f);
	}
	return n - before;
}

/* Until no more than @in_flight of @sent packets are on their way. */
static void wait_for(unsigned long sent, unsigned long in_flight)
{
	unsigned long n = received(), last = n;
	u64 since = t_now_ms();

	while (n + lost + in_flight < sent) {
		usleep(300);
		n = received();
		if (n != last) {
			last = n;
			since = t_now_ms();
		} else if (t_now_ms() - since > STUCK_MS) {
			lost = sent - n;
		}
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	int sock = socket(AF_PACKET, SOCK_RAW, 0);
	char err[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h;
	unsigned long sent = 0;
	const u_char *data;
	pcap_t *pcap;

	if (argc != 4) {
		fprintf(stderr, "usage: replay TX RX FILE\n");
		return 2;
	}
	pcap = pcap_open_offline(argv[3], err);
	if (!pcap) {
		fprintf(stderr, "%s: %s\n", argv[3], err);
		return 1;
	}
	to.sll_ifindex = if_nametoindex(argv[1]);
	snprintf(counter, sizeof(counter),
		 "/sys/class/net/%s/statistics/rx_packets", argv[2]);
	before = received();
	while (pcap_next_ex(pcap, &h, &data) == 1) {
		while (sendto(sock, data, h->caplen, 0, (void *)&to,
			      sizeof(to)) < 0) {
			if (errno != ENOBUFS && errno != EAGAIN) {
				fprintf(stderr, "%s: packet %lu: %s\n", argv[1],
					sent, strerror(errno));
				return 1;
			}
			usleep(300);
		}
		sent++;
		if (sent % (IN_FLIGHT / 2) == 0)
			wait_for(sent, IN_FLIGHT / 2);
	}
	wait_for(sent, 0);
	printf("%lu packets, %lu lost\n", sent, lost);
	return lost > 0;
}
