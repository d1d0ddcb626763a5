/* skb_gso_segment() has a header of its own. */
#include <net/gso.h>
