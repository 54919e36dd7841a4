# make [help] lists what there is. Everything that is more than a line is a script in dev/.
SHELL := /bin/bash
.DEFAULT_GOAL := help
# What dev/setup found: Node.js 22, sing-box, mihomo, cargo-deny.
ENV := . .weir/env &&

.PHONY: help setup build build-worker build-faults build-agent build-deb agent-files up test test-rust test-js test-long chaos check advisories screenshots fuzz schemathesis deploy backup restore import bench simulate clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:[^#]*## /\t/' | expand -t 14

setup: ## install compilers, tools and engines; fast when they are there
	@dev/setup

build: build-worker build-agent ## the Worker into build/, the agent into target/release/

build-worker: ## the Worker alone, with the APIs' documents; FEATURES=a,b passes cargo features, QUICK=1 builds in seconds and not small
	@dev/build-worker

build-faults: ## Worker and agent with faults on demand, for tests, into build-faults/
	@QUICK=1 FEATURES=faults dev/build-worker
	@FEATURES=faults dev/build-agent

build-agent: ## the agent alone
	@dev/build-agent

up: build ## a whole Weir on this machine: panel, database, agent, sing-box
	@$(ENV) exec node dev/up.mjs

test: test-rust test-js ## every test but the long ones

test-rust: setup ## unit and model tests, natively
	@$(ENV) cargo test --workspace

test-js: build build-faults ## end to end: real panel, agent and engines
	@$(ENV) dev/test-js

test-long: build build-faults ## every test, the long ones included
	@$(ENV) cargo test --workspace -- --include-ignored
	@$(ENV) WEIR_LONG=1 dev/test-js

chaos: build build-faults ## everything goes wrong at once: docs/reliability.md. FAULTS= (10000), SEED=, MINUTES=, WITHOUT=a protective line, or each
	@$(ENV) FAULTS=$(FAULTS) SEED=$(SEED) MINUTES=$(MINUTES) WITHOUT=$(WITHOUT) node dev/chaos.mjs

check: setup ## format, lints, dependency rule, licences, documents; weaknesses that are known, where that can be asked within seconds
	cargo fmt --all --check
	cargo clippy --workspace --all-targets --all-features -- -D warnings
	cargo test --test dependency_rule
	@$(ENV) cargo deny check bans licenses sources
	@$(ENV) node --test --test-reporter=spec tests/documents.test.mjs tests/where.test.mjs
	@dev/advisories --limit 15

advisories: setup ## whether weaknesses are known of crates and packages that Weir is made from
	@dev/advisories

.PHONY: docs
docs: ## docs/ as one site with a search, into target/book/; WEIR_BOOK=DIR builds it elsewhere
	@dev/book

agent-files: setup ## the agents that the panel serves to hosts that install, into public/agent/. WEIR_AGENT_MACHINES=
	@dev/agent-files

build-deb: ## a Debian package of the agent
	@dev/build-deb

screenshots: build ## the pictures of the panel's pages, into docs/images/
	@$(ENV) node dev/screenshots.mjs

fuzz: ## look for inputs that break a reader: docs/fuzzing.md. TARGET= (all), SECONDS= (60 each)
	@dev/fuzz $(or $(TARGET),all) $(or $(SECONDS),60)

schemathesis: build-worker ## call the panel as its OpenAPI documents say and forbid. SEED=, CASES= (2000 a document)
	@dev/schemathesis

deploy: build-worker agent-files ## the panel onto Cloudflare: docs/deploy.md; safe to repeat. DRY_RUN=1, NAME=, DOMAIN=, BACKUP=, COMPROMISED=1
	@$(ENV) NODE_USE_ENV_PROXY=1 node --disable-warning=UNDICI-EHPA dev/deploy.mjs

backup: ## a backup of a panel into a folder: docs/backup.md. TO=, NAME= or LOCAL=, INSTANT=
	@$(ENV) NODE_USE_ENV_PROXY=1 node --disable-warning=UNDICI-EHPA dev/backup.mjs

restore: ## a panel's database from a backup: docs/backup.md. FROM=, NAME= or LOCAL=
	@$(ENV) NODE_USE_ENV_PROXY=1 node --disable-warning=UNDICI-EHPA dev/restore.mjs

import: ## users of another panel into this one: docs/import.md. FROM=marzban|3x-ui|sqlite, ARGS='--to ... --apply', WEIR_KEY=, OLD_PASSWORD=, OLD_SECRET=
	@$(ENV) node --disable-warning=ExperimentalWarning dev/weir.mjs import $(FROM) $(ARGS)

bench: build ## measure what docs/ and bench/ quote
	@$(ENV) node bench/run.mjs

simulate: setup ## what a panel costs, on paper and by its own rules: docs/cost.md. USERS= (2000), NODES=, DAYS= (1), ARGS='--report-seconds 900'
	@$(ENV) exec cargo run -q --release -p weir-simulate -- $(if $(USERS),--users $(USERS)) $(if $(NODES),--nodes $(NODES)) \
	  $(if $(DAYS),--days $(DAYS)) $(ARGS)

clean: ## delete what builds made; tools and packages stay
	rm -rf target build build-faults .wrangler
