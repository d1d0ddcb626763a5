// SPDX-License-Identifier: GPL-2.0
/* struct ubuf_info_ops: zero-copy completions by a table of functions (6.10) */
#include <linux/skbuff.h>

int probe(struct ubuf_info *ubuf);
int probe(struct ubuf_info *ubuf)
{
	return ubuf->ops->link_skb(NULL, ubuf);
}
