# Thin: each target sets up what it needs, then leaves the work to Meson.
# MESON_ARGS reaches `meson setup`, ARGS the program, SECONDS_EACH `make fuzz`,
# MINUTES `make soak`.
BUILD ?= build
SECONDS_EACH ?= 60
MINUTES ?= 480

help:
	@echo 'make demo     build, and run a small cluster on this machine'
	@echo 'make test     build, and run all tests'
	@echo 'make bench    build, and measure'
	@echo 'make soak     simulate clusters for $(MINUTES) minutes, with faults'
	@echo 'make soak-net five nodes on real sockets for 30 minutes'
	@echo 'make fuzz     fuzz every decoder, $(SECONDS_EACH) s each (needs clang)'
	@echo 'make mutants  plant bugs, and see whether the simulator finds them'
	@echo 'make coverage lines of lib/ that tests run (gcc)'
	@echo 'make install  install library, headers and hs2net.pc (honours DESTDIR)'
	@echo 'make docs     run the commands of README.md and docs/'
	@echo 'make clean    remove what was built'

configure:
	@tools/setup
	@test -f $(BUILD)/build.ninja || \
	  out=$$(meson setup $(BUILD) $(MESON_ARGS)) || { echo "$$out"; exit 1; }

demo: configure
	@ninja -C $(BUILD) --quiet bench/cluster/hs2net-cluster
	$(BUILD)/bench/cluster/hs2net-cluster $(ARGS)

test: configure
	@ninja -C $(BUILD) --quiet
	meson test -C $(BUILD) --no-rebuild --print-errorlogs $(ARGS)

bench: configure
	@ninja -C $(BUILD) --quiet bench/micro/hs2net-micro bench/micro/message-bench
	$(BUILD)/bench/micro/hs2net-micro $(ARGS)
	$(BUILD)/bench/micro/message-bench

# Other seeds each day, so that the nights add up.
soak: configure
	@ninja -C $(BUILD) --quiet bench/sim/hs2net-sim
	$(BUILD)/bench/sim/hs2net-sim --seed $$(date +%Y%m%d)00000 --minutes $(MINUTES) --jobs $$(nproc) --quiet $(ARGS)

soak-net: configure
	@ninja -C $(BUILD) --quiet bench/soak/hs2net-soak
	$(BUILD)/bench/soak/hs2net-soak $(ARGS)

fuzz:
	@tools/setup --dev
	tools/fuzz-smoke $(SECONDS_EACH)

mutants:
	@tools/mutants

coverage: configure
	tools/coverage $(ARGS)

install: configure
	@ninja -C $(BUILD) --quiet
	meson install -C $(BUILD) --no-rebuild

docs: configure
	tools/check-docs

clean:
	rm -rf build build-*

.PHONY: help configure demo test bench soak soak-net fuzz coverage install docs clean
