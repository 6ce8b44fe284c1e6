# What a developer types. Every target says at its end how long it took.
# Build output stays outside the clone, so that a second clone, or a second run, starts warm.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.ONESHELL:
.DEFAULT_GOAL := help

export XDG_CACHE_HOME ?= $(HOME)/.cache
export CARGO_TARGET_DIR ?= $(XDG_CACHE_HOME)/berth/target
# The image has its own build directory; everything else shares one target and one profile (.cargo/config.toml).
TARGET := x86_64-unknown-linux-musl
LAB := $(CARGO_TARGET_DIR)/$(TARGET)/debug/lab

# The crates that build without the AWS SDK: the daily loop.
SMALL := -p berth-plan -p berth-lifecycle -p region -p simulation

# First line of each recipe. The time is told on failure too.
clock = started=$$(date +%s); trap 'code=$$?; printf "make %s: %s after %d s\n" "$@" "$$([ $$code = 0 ] && echo done || echo FAILED)" "$$(( $$(date +%s) - started ))"' EXIT

.PHONY: help setup build demo test test-all lint daily templates dist

help:
	@cat <<-'END'
	  make setup      installs what build and tests need (Debian 12); quick when all is there
	  make demo       three brokers take their slots, one is lost and comes back as itself
	  make test       builds everything, runs the tests (as root: namespaces, loop devices)
	  make test-all   make test, the demo, forty runs of the herd, and make templates
	  make lint       rustfmt, clippy, shellcheck, and the rules about dependencies
	  make daily      tests of the crates that build without the AWS SDK: seconds
	  make templates  the CloudFormation and Packer templates, units and cookbook, by their own checkers
	  make dist       the binary that goes into an image
	END

setup:
	@$(clock)
	.ci/setup

# Always the whole workspace: another selection would unify features differently and compile aws-sdk-ec2 again.
build:
	@$(clock)
	.ci/setup
	cargo build --workspace

demo:
	@$(clock)
	.ci/setup
	cargo build --workspace
	"$(LAB)" demo

test:
	@$(clock)
	.ci/setup
	cargo build --workspace
	cargo test --workspace

test-all:
	@$(clock)
	.ci/setup
	.ci/setup templates
	.ci/templates
	cargo build --workspace
	cargo test --workspace
	# Every write of mkfs.xfs and mkfs.ext4: hundreds of boots.
	cargo test --workspace --test disk_kills -- --ignored
	# The 10 ms under the lock are promised of an optimised build.
	cargo test --release -p berth-plan --test choose_at_size -- --nocapture
	"$(LAB)" demo
	"$(LAB)" herd --runs 40

lint:
	@$(clock)
	.ci/setup
	cargo fmt --all --check
	.ci/shellcheck
	.ci/guards
	cargo clippy --workspace --all-targets -- -D warnings

daily:
	@$(clock)
	.ci/setup rust
	cargo test $(SMALL)

templates:
	@$(clock)
	.ci/setup templates
	.ci/templates

dist:
	@$(clock)
	.ci/setup rust
	cargo build --profile dist -p berth
	ls -l "$(CARGO_TARGET_DIR)/$(TARGET)/dist/berth"
