// SPDX-License-Identifier: GPL-2.0
/*
 * capmerge MAX OUT MANIFEST FILE...: all packets of many captures in one, as
 * they would be on a wire. The manifest says what was left out, and why:
 * another link type than Ethernet, packets longer than MAX or shorter than an
 * Ethernet header, files that are not whole.
 */
#include <pcap.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static FILE *manifest;
static unsigned long taken, files;

static void say(const char *file, const char *fmt, ...)
{
	const char *slash = strrchr(file, '/');
	va_list ap;

	fprintf(manifest, "%s: ", slash ? slash + 1 : file);
	va_start(ap, fmt);
	vfprintf(manifest, fmt, ap);
	va_end(ap);
	fputc('\n', manifest);
}

static void take(pcap_dumper_t *out, const char *file, unsigned int max)
{
	unsigned long n = 0, too_long = 0, too_short = 0;
	char err[PCAP_ERRBUF_SIZE];
	struct pcap_pkthdr *h, wire;
	const u_char *data;
	pcap_t *in;
	int ret;

	in = pcap_open_offline(file, err);
	if (!in) {
		say(file, "left out: not readable: %s", err);
		return;
	}
	if (pcap_datalink(in) != DLT_EN10MB) {
		say(file, "left out: link type %s, not Ethernet",
		    pcap_datalink_val_to_name(pcap_datalink(in)));
		pcap_close(in);
		return;
	}
	while ((ret = pcap_next_ex(in, &h, &data)) == 1) {
		if (h->caplen > max) {
			too_long++;
		} else if (h->caplen < 14) {
			too_short++;
		} else {
			wire = *h;
			wire.len = wire.caplen;
			pcap_dump((u_char *)out, &wire, data);
			n++;
		}
	}
	if (too_long)
		say(file, "%lu packets left out: longer than %u bytes",
		    too_long, max);
	if (too_short)
		say(file,
		    "%lu packets left out: shorter than an Ethernet header",
		    too_short);
	if (ret == PCAP_ERROR)
		say(file, "the rest left out: %s", pcap_geterr(in));
	say(file, "%lu packets", n);
	taken += n;
	files += n > 0;
	pcap_close(in);
}

int main(int argc, char **argv)
{
	pcap_dumper_t *out;
	pcap_t *dead;
	int i;

	if (argc < 5) {
		fprintf(stderr, "usage: capmerge MAX OUT MANIFEST FILE...\n");
		return 2;
	}
	dead = pcap_open_dead(DLT_EN10MB, 65535);
	out = pcap_dump_open(dead, argv[2]);
	manifest = fopen(argv[3], "w");
	if (!out || !manifest) {
		fprintf(stderr, "capmerge: %s\n", pcap_geterr(dead));
		return 1;
	}
	for (i = 4; i < argc; i++)
		take(out, argv[i], atoi(argv[1]));
	pcap_dump_close(out);
	printf("%lu packets of %lu files, of %d\n", taken, files, argc - 4);
	return fclose(manifest) || !taken;
}
