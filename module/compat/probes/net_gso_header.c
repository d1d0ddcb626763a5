// SPDX-License-Identifier: GPL-2.0
/* skb_gso_segment() has a header of its own. */
#include <net/gso.h>
