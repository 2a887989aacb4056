# Targets install what they need (.ci/setup): as root at once, as an ordinary user by telling the line that does.

# Rust is often there without the shell knowing it.
export PATH := $(PATH):$(or $(CARGO_HOME),$(HOME)/.cargo)/bin

CARGO ?= cargo
# Handed to what is run: `make test ARGS=storage`, `make run ARGS=--help`.
ARGS ?=

NODE_TOOLS := target/node-tools/node_modules/.bin
PRETTIER := $(NODE_TOOLS)/prettier --config .ci/assets/prettier.json

# The faults of process, disk and clients that every test run injects a few times: minutes.
SHORT_FAULTS := 'kill -9 at random' 'call of a tus' 'call of a heal' 'power cut' 'disk full' 'EIO' 'read-only remount' \
	'mount replaced' 'file replaced' 'broken off'

.DEFAULT_GOAL := help
.PHONY: help run test test-limits test-faults test-garage demo screenshots fuzz fuzz-api lint fmt fmt-assets fmt-check \
	assets clippy doc deny advisories

help: ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1\t\2/p' Makefile | expand -t 19

run: ## build in release mode and serve; the first start prints a one-time link
	@.ci/setup rust database
	$(CARGO) run --release --locked -- serve $(ARGS)

test: ## every test, against a real PostgreSQL and a real browser (ARGS= to choose)
	@.ci/setup rust postgres browser axe clamav faults faketime
	$(CARGO) test --locked --workspace $(ARGS)
	$(if $(ARGS),,$(CARGO) test --locked --test faults -- $(SHORT_FAULTS))

test-limits: ## what one person can send or hold, against a release build with little memory and few descriptors
	@.ci/setup rust database
	$(CARGO) build --release --locked
	STILLAGE_BIN=$(abspath $(or $(CARGO_TARGET_DIR),target))/release/stillage \
		$(CARGO) test --locked --test exhaustion -- --nocapture $(ARGS)

test-faults: ## every fault, as often as docs/reliability.md says, and its table; as root, tens of minutes
	@.ci/setup rust postgres faults faketime
	FAULTS=full $(CARGO) test --locked --test faults -- $(ARGS)

test-garage: ## the homes of files against a real Garage; compiles it the first time (ten minutes)
	@.ci/setup rust postgres garage
	.ci/with-garage $(CARGO) test --locked --test it storage:: $(ARGS)

demo: ## fill an empty store with batches, photos and people to look at, and print who may sign in
	@.ci/setup rust database
	$(CARGO) run --release --locked -- demo $(ARGS)

screenshots: ## take the pictures in docs/screenshots/ again, of a store of its own with demo data
	@.ci/setup rust postgres browser
	$(CARGO) test --locked --test screenshots

fuzz: ## libFuzzer on every place where bytes come in, FUZZ_SECONDS each (needs a nightly Rust)
	@.ci/setup rust fuzz
	.ci/fuzz $(ARGS)

fuzz-api: ## schemathesis against the API of a server of its own
	@.ci/setup rust postgres api
	@# The tests' build: another one would build the dependencies again, with other features.
	$(CARGO) test --locked --workspace --no-run
	.ci/fuzz-api $(ARGS)

lint: fmt-check assets clippy doc deny ## formatting, assets, clippy, docs and dependencies, warnings denied

fmt: ## format the code
	$(CARGO) fmt --all

fmt-assets: ## format the style sheets and scripts
	@.ci/setup node-tools
	$(PRETTIER) --write --log-level warn static .ci/assets

fmt-check: ## formatting only
	$(CARGO) fmt --all --check

assets: ## style sheets and scripts: formatting, types (JSDoc), eslint
	@.ci/setup node-tools
	$(PRETTIER) --check --log-level warn static .ci/assets
	$(NODE_TOOLS)/tsc --project .ci/assets
	$(NODE_TOOLS)/eslint --config .ci/assets/eslint.config.cjs --max-warnings 0 static/js

clippy: ## clippy on every target
	@.ci/setup rust
	$(CARGO) clippy --locked --workspace --all-targets -- -D warnings
	$(CARGO) clippy --locked --test screenshots --test faults -- -D warnings

doc: ## the documentation of the code, private items included
	@.ci/setup rust
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --workspace --no-deps --document-private-items

deny: ## licences, sources and bans of dependencies (deny.toml)
	@.ci/setup rust deny
	$(CARGO) deny --locked --log-level warn check bans licenses sources

advisories: ## known holes in dependencies and abandoned ones; fetches the advisory database
	@.ci/setup rust deny
	.ci/advisories $(ARGS)
