# Each target installs what it needs from Debian's packages (as root or with sudo), and says so.
# Rust comes from rustup. "make help" lists the targets.

CARGO ?= cargo
export CARGO_TERM_PROGRESS_WHEN ?= never

# The tests of real programs open ports below 1024 on loopback, and start PostgreSQL as its own user.
ifneq ($(shell id -u),0)
HOST := $(shell rustc -vV 2>/dev/null | sed -n 's/^host: //p' | tr 'a-z-' 'A-Z_')
export CARGO_TARGET_$(HOST)_RUNNER := $(CURDIR)/tests/as-root.sh
endif

FUZZ_SECONDS ?= 600
SOAK_SECONDS ?= 600

.PHONY: help build test table demo bench layout soak fuzz fmt lint check install-deps rust build-deps test-deps
.PHONY: pages deb rpm test-packages test-machine package-deps machine-deps

help: ## lists the targets
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 16

# Apart, because cargo gives packages that are built together each other's features. The linker puts together
# what runs in every process; the GNU one and LLVM's can. With another one: make build FIRST=
FIRST ?= first.ld
first = $(if $(FIRST),-Clink-arg=-T '-Clink-arg=$(CURDIR)/$(strip $(1))/$(FIRST)')
build: rust build-deps ## target/release: peerkey, libpeerkey_openssl.so and libpeerkey_nss.so
	$(CARGO) build --release --locked --package peerkey
	$(CARGO) rustc --release --locked --package peerkey-openssl --lib -- $(call first, openssl-provider)
	$(CARGO) rustc --release --locked --package peerkey-nss --lib -- $(call first, nss-module)

test: rust test-deps ## everything: unit tests, and real programs against real servers
	$(CARGO) build --locked --package peerkey
	$(CARGO) test --locked --workspace
	@cat target/matrix.txt target/nss-parity.txt

table: rust test-deps ## writes what README says of programs anew, as the tests measure it
	PEERKEY_BLESS=1 $(CARGO) test --locked --quiet --package peerkey-tests --test matrix
	PEERKEY_BLESS=1 $(CARGO) test --locked --quiet --package peerkey-tests --test nss one_policy_one_answer

demo: build test-deps ## a table of programs that follow one policy
	$(CARGO) build --release --locked --quiet --package peerkey-tests --bin demo
	@target/release/demo

bench: build test-deps ## what peerkey costs, beside the same without it: tests/docs/speed.md
	$(CARGO) build --release --locked --quiet --package peerkey-tests --bin bench
	@target/release/bench

layout: rust test-deps ## which functions of the libraries the linker puts together, written anew
	for package in peerkey-openssl peerkey-nss; do CARGO_PROFILE_RELEASE_STRIP=none $(CARGO) build --release \
		--locked --target-dir target/layout --package $$package || exit; done
	$(CARGO) build --release --locked --package peerkey
	$(CARGO) build --release --locked --quiet --package peerkey-tests --bin layout
	PEERKEY_PROVIDER=$(CURDIR)/target/layout/release/libpeerkey_openssl.so \
		PEERKEY_NSS_MODULE=$(CURDIR)/target/layout/release/libpeerkey_nss.so target/release/layout
	touch openssl-provider/src/lib.rs nss-module/src/lib.rs

soak: build test-deps ## nginx under load for SOAK_SECONDS, a new policy in each
	$(CARGO) build --release --locked --quiet --package peerkey-tests --bin bench
	@target/release/bench soak $(SOAK_SECONDS)

fuzz: rust build-deps ## the four fuzz targets of core for FUZZ_SECONDS together, the NSS module's for a fifth of that
	@core/fuzz/run.sh $(FUZZ_SECONDS)
	@nss-module/fuzz/run.sh $$(($(FUZZ_SECONDS) / 5))

pages: build ## target/pages: man pages and completions, from the command's own definition
	$(CARGO) build --release --locked --quiet --package peerkey-pages
	@rm -rf target/pages
	target/release/peerkey-pages target/pages
	CARGO=$(CARGO) packaging/third-party.sh > target/pages/THIRD-PARTY

deb: pages package-deps ## target/deb: Debian packages, seen by lintian
	packaging/deb.sh

rpm: pages package-deps ## target/rpm: RPM packages, seen by rpmlint
	packaging/rpm.sh

test-packages: deb rpm test-deps ## installs, upgrades, removes and purges the packages on fresh roots; slow, with network
	$(CARGO) test --locked --package peerkey-tests --test packages -- --include-ignored --nocapture

test-machine: deb test-deps machine-deps ## units, restarts and confinement on whole machines (QEMU); slow, with network
	$(CARGO) test --locked --package peerkey-tests --test machine -- --include-ignored --nocapture

fmt: rust ## formats the sources
	$(CARGO) fmt --all

lint: rust build-deps ## clippy, with warnings denied
	$(CARGO) clippy --locked --workspace --all-targets -- --deny warnings

check: lint ## what must hold before a commit: format and lint
	$(CARGO) fmt --all --check

install-deps: build-deps test-deps package-deps machine-deps ## only installs the packages

rust:
	@tests/check-rust.sh

build-deps:
	@tests/install-packages.sh build

test-deps:
	@tests/install-packages.sh test

package-deps:
	@tests/install-packages.sh package

machine-deps:
	@tests/install-packages.sh machine
