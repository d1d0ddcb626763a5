// SPDX-License-Identifier: GPL-2.0
/* MODULE_IMPORT_NS() takes a bare name, not a string. */
#include <linux/module.h>
MODULE_IMPORT_NS(BPF_INTERNAL);
