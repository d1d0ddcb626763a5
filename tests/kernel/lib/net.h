/* SPDX-License-Identifier: GPL-2.0 */
/* Links to receive on, and packets to send over them. */
#ifndef IOU_TEST_NET_H
#define IOU_TEST_NET_H

#include "iou_test.h"

/* How a test receives: what kind of link, how it is attached. */
struct t_way {
	const char *link; /* veth, virtio */
	u32 flags; /* IO_UNIFIED_ATTACH_* */
};

struct t_link {
	char rx[16]; /* attached */
	char tx[16]; /* sends to it */
	int sock; /* packet socket on tx */
};

#define T_ETHERTYPE 0x88b5 /* local experiments */
#define T_HEADER 14

/* Makes the link (veth) or finds it (the VM's two virtio NICs); both are up. */
void t_link_open(struct t_link *l, const struct t_way *way, int mtu);
void t_link_close(struct t_link *l);
/* The veth pair by rtnetlink: no process is started. */
void t_veth_add(int mtu);
void t_veth_del(void);
/* The same of a VLAN device that is up. */
void t_vlan_add(const char *name, const char *below, u16 id);
/* Deletes an interface. False: there is none of that name. */
bool t_link_del(const char *name);
/* What leaves by @name does so by a queue that keeps it for @ms; < 0: not any more. */
void t_netem(const char *name, int ms);
/* Sets or clears IFF_UP. */
void t_link_up(const char *name, bool up);
/* Attaches l->rx; the queue may still be on its way out of the last use. */
int t_link_attach(struct t_region *r, const struct t_link *l,
		  const struct t_way *way);
/* As t_link_attach(), and shows what was obtained. */
int t_link_attach_as(struct t_region *r, const struct t_link *l,
		     const struct t_way *way, struct io_unified_attach *a);

/* The packet number @seq, of @len bytes; it is the same each time. */
void t_packet(u8 *buf, u32 len, u32 seq);
bool t_is_packet(const u8 *buf, u32 len, u32 seq);
/* The number that a packet carries. */
u32 t_packet_seq(const u8 *buf);
void t_send(struct t_link *l, u32 len, u32 seq);
void t_send_raw(struct t_link *l, const void *buf, u32 len);

/* A packet socket on an interface; with what leaves it, too, if @outgoing. */
int t_listen(const char *ifname, bool outgoing);
/* The next packet's length, or -1: none within the time. */
int t_receive(int sock, void *buf, u32 len, int ms);
/* Attaches @ifname to be sent to only, or fails the case; returns its index. */
int t_attach_tx(struct t_region *r, const char *ifname);

#endif /* IOU_TEST_NET_H */
