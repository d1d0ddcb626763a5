// SPDX-License-Identifier: GPL-2.0
/* What a process becomes with exec(). Static: the loader would take most of a round. */
int main(void)
{
	return 0;
}
