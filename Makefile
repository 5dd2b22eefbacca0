# The commands of this repository. `make test` is the whole test run and installs
# what it needs; `make check` is what to run before a commit.

STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.1
SIM_SEEDS  ?= 10000
FUZZTIME   ?= 30s
BENCH      ?= .
BENCHTIME  ?= 1s
INTEROP_BULK ?= 60s

# Everything but the browser tests, which start real browsers one after the other.
PACKAGES = $$(go list ./... | grep -v '/e2e\(/\|$$\)')

.PHONY: test setup check fmt vet staticcheck archtest requirements race cross cross-all e2e e2e-flow interop sim sim-arch churn huge fuzz bench bench-net bench-transport bench-browsers bench-scale bench-peers bench-instructions check-instructions bench-small

test: ## every test, browsers included
	@sh scripts/test.sh

setup: ## install browsers and build tools (Debian, root)
	@sh scripts/setup.sh

check: fmt vet staticcheck archtest cross race check-instructions ## before a commit
	@$(MAKE) --no-print-directory sim SIM_SEEDS=200

fmt:
	@unformatted=$$(gofmt -l .); \
	if [ -n "$$unformatted" ]; then echo "gofmt would change:"; echo "$$unformatted"; exit 1; fi

vet:
	go vet ./...

staticcheck:
	go run $(STATICCHECK) ./...

archtest:
	go test -count=1 ./internal/archtest

requirements: ## what the engine has to do, and the tests that show it
	@go run ./scripts/requirements

race:
	SIM_SEEDS=20 go test -race $(PACKAGES)

cross: ## compile what depends on the system, tests too, for each of the others
	@sh scripts/cross.sh

cross-all: ## compile everything for other systems, and run the 32-bit tests of what needs no network
	GOOS=windows go vet ./...
	GOOS=darwin GOARCH=arm64 go vet ./...
	GOOS=freebsd go vet . ./internal/...
	GOOS=android GOARCH=arm64 CGO_ENABLED=0 go vet . ./internal/...
	GOOS=js GOARCH=wasm go vet ./internal/... ./sctp/... ./dcep ./e2e/portable
	GOARCH=arm go vet ./...
	GOARCH=386 CGO_ENABLED=0 go test ./sctp/... ./dcep ./datachannel ./internal/netsim ./internal/udpmux

e2e: ## the tests with browsers and other programs alone; with interop
	cd e2e/dtls3 && go test -count=1 ./...
	go test -count=1 -p 1 -timeout 15m $$(go list ./e2e/... | grep -v '/interop$$')
	@$(MAKE) --no-print-directory interop

interop: ## every capability with every peer, INTEROP_BULK of bulk each (make test takes 3 s): e2e/RESULTS.md
	go test -count=1 -timeout 40m -v ./e2e/interop -bulk $(INTEROP_BULK) -write

e2e-flow: ## 10 GB to each browser and back, with the memory watched, ten minutes and more
	go test -count=1 -timeout 120m -run '^TestFlow$$' -v ./e2e -flow 10000000000

sim: ## the simulation over SIM_SEEDS random seeds; SIM_SEED=n replays one
	SIM_SEEDS=$(SIM_SEEDS) sh scripts/each.sh TestSimulation go test -count=1 -timeout 2h -run '^TestSimulation'

sim-arch: ## the same seeds on 386 and, under qemu-user, on arm64
	sh scripts/sim-arch.sh

churn: ## a million channels opened and closed on one connection, with memory held flat
	CHANNELS=1000000 go test -count=1 -v -timeout 30m -run '^TestChannelChurn$$' ./datachannel

huge: ## a message of 1 GiB from one end to the other, with the memory watched
	go test -count=1 -run '^TestHugeMessage$$' -v ./datachannel -message 1073741824

fuzz: ## every fuzz target for FUZZTIME each
	sh scripts/fuzz.sh $(FUZZTIME)

bench-net: ## goodput and delay over an emulated link, with pion/sctp beside: bench/RESULTS.md
	cd bench && go test -count=1 -timeout 30m -run '^TestNet' -v . -write

bench-transport: ## what DTLS, ICE and the sockets cost, with the plain libraries beside: bench/RESULTS.md
	cd bench && go test -count=1 -timeout 30m -run '^TestTransport$$' -v . -write

bench-browsers: ## CPU time of data channels to the browsers on this machine, three minutes: bench/RESULTS.md
	cd bench && go test -count=1 -timeout 30m -run '^TestBrowsers$$' -v . -write

bench-scale: ## up to 100,000 associations on one Endpoint, three minutes: bench/RESULTS.md
	cd bench && go test -count=1 -timeout 30m -run '^TestScale$$' -v . -write

bench-instructions: ## instructions of every hot path: bench/RESULTS.md
	sh scripts/instructions.sh -write

bench-small: ## programs for small devices: size and memory, held to limits: bench/RESULTS.md
	sh scripts/small.sh

check-instructions: ## that no hot path takes 10 % more instructions than recorded
	sh scripts/instructions.sh

bench-peers: ## pion, usrsctp, dcSCTP, sctp-proto and us side by side, a quarter of an hour: bench/RESULTS.md
	sh scripts/bench-peers.sh -write

bench: ## every benchmark, with allocations
	sh scripts/each.sh Benchmark go test -run '^$$' -bench '$(BENCH)' -benchtime $(BENCHTIME) -benchmem
