// SPDX-License-Identifier: GPL-2.0
/* struct folio_batch has a header of its own. */
#include <linux/folio_batch.h>
