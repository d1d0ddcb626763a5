# SPDX-License-Identifier: GPL-2.0
# io_unified: the kernel module, its library and tools, and their tests.
# The module itself is described in Kbuild; `make help` lists the targets.

PREFIX ?= /usr
UDEVDIR ?= /usr/lib/udev/rules.d
SYSUSERSDIR ?= /usr/lib/sysusers.d
MODULESDIR ?= /usr/lib/modules-load.d
KVER ?= $(shell uname -r)
KDIR ?= /lib/modules/$(KVER)/build
VERSION := $(shell sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' dkms.conf)
DKMS_SOURCE := /usr/src/io_unified-$(VERSION)

all: $(if $(wildcard $(KDIR)/Makefile),module,no-headers) userspace

no-headers:
	@echo "no kernel headers in $(KDIR): building without the module" \
		"(install linux-headers-$(KVER), or set KVER= or KDIR=)"

module:
	$(MAKE) -C $(KDIR) M=$(CURDIR) modules

userspace:
	$(MAKE) -C userspace

# Under a DESTDIR (packages, images) the module's sources are only put in place:
# DKMS is for the system that runs.
install: install-userspace install-config $(if $(DESTDIR),dkms-source,dkms)

install-userspace: userspace
	$(MAKE) -C userspace install PREFIX=$(PREFIX) DESTDIR=$(DESTDIR)
	[ -n "$(DESTDIR)" ] || ldconfig

install-config:
	install -D -m 644 packaging/70-io_unified.rules $(DESTDIR)$(UDEVDIR)/70-io_unified.rules
	install -D -m 644 packaging/io_unified.sysusers $(DESTDIR)$(SYSUSERSDIR)/io_unified.conf
	install -D -m 644 packaging/io_unified.modules-load \
		$(DESTDIR)$(PREFIX)/share/doc/io_unified/modules-load.conf.example
	[ -n "$(DESTDIR)" ] || packaging/apply

dkms-source:
	install -d $(DESTDIR)$(DKMS_SOURCE)
	cp -r Kbuild dkms.conf module uapi $(DESTDIR)$(DKMS_SOURCE)/

dkms: dkms-source
	-dkms remove io_unified/$(VERSION) --all 2>/dev/null
	dkms add io_unified/$(VERSION)
	dkms build io_unified/$(VERSION) -k $(KVER)
	dkms install io_unified/$(VERSION) -k $(KVER)

uninstall:
	-[ -n "$(DESTDIR)" ] || dkms remove io_unified/$(VERSION) --all
	rm -rf $(DESTDIR)$(DKMS_SOURCE)
	rm -f $(DESTDIR)$(UDEVDIR)/70-io_unified.rules \
		$(DESTDIR)$(SYSUSERSDIR)/io_unified.conf
	rm -rf $(DESTDIR)$(PREFIX)/share/doc/io_unified
	packaging/uninstall-userspace $(CURDIR) $(PREFIX) "$(DESTDIR)"

check:
	tests/check

check-debug:
	tests/check debug

check-model:
	tests/check model

check-tcp:
	tests/check tcp

check-remote:
	tests/check remote

check-unit:
	$(MAKE) -C userspace check

lint:
	tests/check lint

demo:
	tests/demo

bench:
	tests/bench/run

format:
	git ls-files -co --exclude-standard -- "module/*.[ch]" "uapi/*.h" "userspace/*.[ch]" \
		"tests/*.[ch]" | sort -u | xargs clang-format -i

clean:
	$(if $(wildcard $(KDIR)/Makefile),$(MAKE) -C $(KDIR) M=$(CURDIR) clean)
	$(MAKE) -C userspace clean
	for dir in tests/*/Makefile; do $(MAKE) -C $${dir%/*} clean || exit 1; done

help:
	@echo 'all           module (if the headers of this kernel are here) and userspace'
	@echo 'module        io_unified.ko for KVER=$$(uname -r), or for KDIR='
	@echo 'userspace     libiounified, iou, the BPF programs'
	@echo 'install       all of it: tools to PREFIX=/usr, the module by DKMS, udev rule, group'
	@echo 'uninstall     the reverse'
	@echo 'dkms          the module alone, by DKMS'
	@echo 'check         every test on KERNELS="6.1 6.12 7.x"; TESTS="pattern" picks guest tests'
	@echo 'check-debug   the guest suites on a kernel with KASAN, lockdep and kmemleak'
	@echo 'check-model   two million random ops against a model of the drives'
	@echo 'check-tcp     streams of 1 GiB over loopback, veth and e1000e'
	@echo 'check-remote  nvme-tcp between two VMs, of which one is killed'
	@echo 'check-unit    the unit tests, on this host'
	@echo 'lint          checkpatch, sparse, W=1, clang-format, cppcheck, shellcheck'
	@echo 'format        clang-format, in place'
	@echo 'demo          records real traffic to an NVMe drive in a VM and shows it is right'
	@echo 'bench         instructions per op against io_uring and NVMe passthrough: docs/benchmarks.md'
	@echo 'clean         removes what was built; caches stay in ~/.cache/io_unified'

.PHONY: all no-headers module userspace install install-userspace install-config \
	dkms-source dkms uninstall check check-debug check-model check-tcp check-remote \
	check-unit lint format demo bench clean help
