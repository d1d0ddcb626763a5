// SPDX-License-Identifier: GPL-2.0
/* pin_user_pages() has an array of VMAs as last argument. */
#include <linux/mm.h>
long f(struct page **pages);
long f(struct page **pages)
{
	return pin_user_pages(0, 1, 0, pages, NULL);
}
