# Everything that can be done with this repository. `make` alone lists it.
SHELL := /bin/bash
.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@awk 'BEGIN { FS = ":.*## " } /^[a-z-]+:.*## / { printf "  make %-11s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: ## Show the operator at work, without AWS and without a cluster; ONCE=1 ends by itself
	@scripts/demo.sh

.PHONY: test
test: ## Run every test against a real API server and a local AgentCore, and the demo once
	@scripts/test.sh

.PHONY: test-fast
test-fast: ## Run the tests of the pure crates: types, rules, planner
	cargo test --locked -p agentcore-api -p agentcore-plan

.PHONY: fuzz
fuzz: ## Give parsers, headers, signatures and the scrubbing of secrets new strange inputs, for 60 s (AGENTCORE_FUZZ_SECONDS=)
	@scripts/fuzz.sh

.PHONY: campaign
campaign: ## Do everything to every field of every kind of object, and each fault of the API server after each write, which takes an hour
	cargo build --locked --workspace --bins
	AGENTCORE_WALK=all cargo test --locked --workspace --test apiserver_walk
	AGENTCORE_API_FAULTS=all cargo test --locked --workspace --test apiserver_operator -- watch_faults

.PHONY: lint
lint: ## Check format, clippy, documentation, dependencies, scripts, chart, generated files and the book's links
	@scripts/lint.sh

.PHONY: generate
generate: ## Write what is made from sources elsewhere: the CRDs, Argo CD's settings, docs/reference/
	@scripts/generate.sh .

.PHONY: verify
verify: ## Fail if a generated file is not what `make generate` writes
	@scripts/verify.sh

.PHONY: bench
bench: ## Measure the gateway and the operator against a local AgentCore
	cargo bench --locked -p agentcore-operator --bench gateway
	cargo bench --locked -p agentcore-operator --bench operator
	cargo bench --locked -p agentcore-operator --bench images
	cargo bench --locked -p agentcore-operator --bench sessions
	cargo bench --locked -p agentcore-operator --bench tenants

.PHONY: image
image: ## Build the operator's image for this machine (IMAGE=, PLATFORM=)
	@scripts/image.sh

.PHONY: images
images: ## Build all images: operator, sim, agent (REGISTRY=, TAG=, PLATFORM=, PUSH=1)
	@scripts/image.sh operator sim agent

.PHONY: try-images
try-images: ## Build the images of target/debug without Docker and start them (root, buildah)
	@scripts/try-images.sh

.PHONY: dist
dist: ## Build archives of kubectl-agentcore and agentcore-sim into target/dist/ (TARGETS=)
	@scripts/dist.sh $(TARGETS)

.PHONY: pins
pins: ## Show whether base images and actions still are what their tags name
	@scripts/pins.sh

.PHONY: docs
docs: ## Build the documentation as a book into target/book/, and check its links
	@scripts/docs.sh

.PHONY: chart
chart: ## Check the Helm chart and package it into target/chart/
	@scripts/chart.sh

.PHONY: manifests
manifests: ## Write the plain manifests for kustomize into target/manifests/
	@scripts/manifests.sh

.PHONY: clean
clean: ## Remove what was built here: target/ and .demo/
	rm -rf target .demo
