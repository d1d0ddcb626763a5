/* SPDX-License-Identifier: MIT */
/* Values of options. All complain and return an exit code. */
#ifndef IOU_OPTION_H
#define IOU_OPTION_H

#include <stdint.h>

#define MAX_REPEATED 32 /* of each such option */

/* "--OPTION 'VALUE': WANT" */
int option_bad(const char *option, const char *value, const char *want);
/* A number that is not zero, by one of the parsers of units.c. */
int option_number(const char *option, const char *value,
		  int (*parse)(const char *s, uint64_t *out), uint64_t max,
		  const char *want, uint64_t *out);
/* One more of those that may be given up to MAX_REPEATED times */
int option_repeated(const char *option, const char *value, const char **list,
		    unsigned int *nr);
/* --io: how storage is attached, as IO_UNIFIED_ATTACH_* */
int option_io(const char *value, unsigned int *flags);

#endif /* IOU_OPTION_H */
