package sctp_test

import (
	"fmt"
	"io"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// The environment steers the simulation:
//
//	SIM_SEED=n    run seed n alone
//	SIM_SEEDS=n   run n seeds (default 100, with -short 20)
//	SIM_FIRST=n   begin at seed n (default 1)
//	SIM_HASHES=f  write a hash of each seed to the file f (TestSimulationHashes)
//	SIM_TRACE=f   write every packet, call and event to the file f (with SIM_SEED)
const maxFailures = 5 // after so many the simulation stops

// envInt returns the number in an environment variable.
func envInt(t *testing.T, name string, def uint64) uint64 {
	text := os.Getenv(name)
	if text == "" {
		return def
	}
	n, err := strconv.ParseUint(text, 10, 64)
	if err != nil {
		t.Fatalf("%s=%q: not a number", name, text)
	}
	return n
}

// TestSimulation runs two associations against each other over a bad network,
// in virtual time, once for each seed, with an oracle that knows what may
// arrive. A seed decides everything, so a failure can be run again.
func TestSimulation(t *testing.T) {
	if seed := envInt(t, "SIM_SEED", 0); seed != 0 {
		simulate(t, seed)
		return
	}
	count := uint64(100)
	if testing.Short() {
		count = 20
	}
	count = envInt(t, "SIM_SEEDS", count)
	first := envInt(t, "SIM_FIRST", 1)
	var failures atomic.Int32
	for seed := first; seed < first+count; seed++ {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			if failures.Load() >= maxFailures {
				t.Skip("enough failures")
			}
			defer func() {
				if t.Failed() {
					failures.Add(1)
				}
			}()
			simulate(t, seed)
		})
	}
}

// simulate runs a seed. On a failure it runs it again for a trace.
func simulate(t *testing.T, seed uint64) {
	var trace io.Writer
	if name := os.Getenv("SIM_TRACE"); name != "" {
		f, err := os.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		trace = f
	}
	w, err := runSeed(seed, trace, nil)
	if err == nil {
		if os.Getenv("SIM_SEED") != "" {
			a, b := w.hosts[0], w.hosts[1]
			t.Logf("%v\nvirtual time %v, %d steps, delivered %d B and %d B, packets %d and %d, ended with %v and %v",
				w.s, w.now.Sub(w.start), w.steps, b.in.bytes, a.in.bytes, a.packets, b.packets, a.closeErr, b.closeErr)
		}
		return
	}
	last := &tail{keep: 40}
	runSeed(seed, last, nil)
	t.Errorf("%v\n%v\nthe last of the trace:\n%s\nrun it again:\n\tSIM_SEED=%d go test ./sctp -run 'TestSimulation$'",
		err, newScenario(seed), last, seed)
}

// runSeed runs the scenario of a seed. A panic of the engine is an error.
func runSeed(seed uint64, trace io.Writer, wrap func(engine) engine) (w *world, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("panic: %v\n%s", r, stack())
			if w != nil {
				err = fmt.Errorf("at %v: %w", w.now.Sub(w.start), err)
			}
		}
	}()
	if w, err = newWorld(newScenario(seed), trace, wrap); err != nil {
		return nil, err
	}
	return w, w.run()
}

// TestSimulationDeterminism holds that a seed determines every packet, call
// and event.
func TestSimulationDeterminism(t *testing.T) {
	for seed := uint64(1); seed <= 12; seed++ {
		var prints [2]uint64
		for i := range prints {
			w, err := runSeed(seed, nil, nil)
			if err != nil {
				t.Fatalf("seed %d: %v", seed, err)
			}
			prints[i] = w.fingerprint()
		}
		if prints[0] != prints[1] {
			t.Errorf("seed %d: two runs differ", seed)
		}
	}
}

// TestSimulationHashes writes a hash of each seed's run to the file SIM_HASHES, to be
// compared with those of another architecture. See scripts/sim-arch.sh.
func TestSimulationHashes(t *testing.T) {
	name := os.Getenv("SIM_HASHES")
	if name == "" {
		t.Skip("SIM_HASHES names no file")
	}
	var lines []byte
	first := envInt(t, "SIM_FIRST", 1)
	for seed := first; seed < first+envInt(t, "SIM_SEEDS", 100); seed++ {
		w, err := runSeed(seed, nil, nil)
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		lines = fmt.Appendf(lines, "seed %d: %016x\n", seed, w.fingerprint())
	}
	if err := os.WriteFile(name, lines, 0o644); err != nil {
		t.Fatal(err)
	}
}

// TestSimulationRange holds that the seeds reach what the simulation is for:
// a slip in the dice must not leave a fault or a configuration untried.
func TestSimulationRange(t *testing.T) {
	seen := make(map[string]int)
	mark := func(what string, yes bool) {
		if yes {
			seen[what]++
		} else if _, ok := seen[what]; !ok {
			seen[what] = 0
		}
	}
	const seeds = 1000
	for seed := uint64(1); seed <= seeds; seed++ {
		s := newScenario(seed)
		a, b := &s.hosts[0], &s.hosts[1]
		mark("clean", s.clean)
		mark("only host 0 connects", a.connect && !b.connect)
		mark("only host 1 connects", b.connect && !a.connect)
		mark("both connect at once", a.connect && b.connect && b.connectAt == 0)
		mark("aborts", s.aborts())
		mark("dying", s.dying)
		mark("forged packets", s.forge > 0)
		mark("restarts", s.restarts())
		mark("INIT tokens", a.token && b.token)
		mark("INIT tokens of no use to one side", s.fallsBack())
		mark("an Endpoint", a.endpoint != b.endpoint)
		mark("two Endpoints", a.endpoint && b.endpoint)
		mark("an Endpoint under a flood", a.endpoint && a.flood > 0)
		mark("never spurious", s.neverSpurious())
		mark("zero checksum on one side", (a.cfg.ZeroChecksum == 0) != (b.cfg.ZeroChecksum == 0))
		mark("interleaving", s.interleaved())
		mark("interleaving refused", a.cfg.NoInterleaving != b.cfg.NoInterleaving)
		mark("no interleaving", a.cfg.NoInterleaving && b.cfg.NoInterleaving)
		mark(fmt.Sprintf("scheduler %d", a.cfg.Scheduler), true)
		mark("priorities", a.priorities > 0)
		mark("zero checksum on both sides", a.cfg.ZeroChecksum != 0 && b.cfg.ZeroChecksum != 0)
		mark("losses found by time on one side", a.cfg.LossDetection != b.cfg.LossDetection)
		mark("losses found by time on both sides", a.cfg.LossDetection == sctp.RACK && b.cfg.LossDetection == sctp.RACK)
		mark("different MTUs", a.mtu() != b.mtu())
		mark("packet larger than the peer's window", a.mtu() > b.receiveBuffer())
		mark("loss", s.links[0].Loss > 0)
		mark("loss above 10 %", s.links[0].Loss > 0.1)
		mark("burst", s.links[0].Burst.Enter > 0)
		mark("reordering", s.links[0].Reorder > 0)
		mark("duplication", s.links[0].Duplicate > 0)
		mark("very late duplicates", s.links[0].DuplicateDelay > 10*time.Second)
		mark("corruption", s.links[0].Corrupt > 0)
		mark("rate", s.links[0].Rate > 0)
		mark("black hole", len(s.links[0].Down) > 0)
		mark("ECN on both sides, and congestion", a.cfg.ECN && b.cfg.ECN && s.congestion > 0)
		mark("NR-SACK on both sides", a.cfg.NRSACK && b.cfg.NRSACK)
		mark("ECN on one side", a.cfg.ECN != b.cfg.ECN)
		mark("link with an MTU", s.links[0].MTU > 0)
		mark("link that changes", len(s.turns) > 0)
		mark("search for a larger MTU on one side", (a.maxMTU() > a.mtu()) != (b.maxMTU() > b.mtu()))
		mark("search for a larger MTU on both sides", a.maxMTU() > a.mtu() && b.maxMTU() > b.mtu())
		mark("paused reader", a.pause > 0)
		mark("a reader of what comes in", a.eager > 0)
		mark("a reader that borrows", a.borrows > 0)
		mark("cramped", s.cramped)
		mark("cramped, interleaving, frugal", s.cramped && s.interleaved() && a.cfg.Frugal)
		mark("cramped, nothing is lost", s.cramped && s.clean)
		mark("cramped on one side", s.cramped && a.receiveBuffer() < 32<<10 && b.receiveBuffer() >= 32<<10)
		mark("a reader with a small buffer", a.habits.nibbles > 0)
		mark("a reader that neglects streams", a.habits.neglects > 0)
		mark("heartbeats more often than timeouts", a.cfg.HeartbeatInterval > 0 && a.cfg.HeartbeatInterval < 100*time.Millisecond)
		mark("chunks in other packets", s.rebundle > 0)
		mark("more than a window out of order", s.cramped && s.links[0].ReorderDelay > time.Second)
		if s.zeroChecksum() && (s.links[0].Corrupt > 0 || s.links[1].Corrupt > 0) {
			t.Fatalf("seed %d: corruption without a checksum", seed)
		}
		for _, act := range a.script {
			mark("reset", act.do == doReset)
			mark("other requests of RFC 6525", act.do == doReconfig)
			mark("larger than the peer's window", act.size > b.receiveBuffer())
			mark("larger than the send buffer", act.size > a.sendBuffer())
			mark("one byte", act.size == 1)
			mark("no retransmission", act.msg.Reliability == sctp.Reliability{LimitRetransmits: true})
			mark("priority", act.msg.Reliability.LimitPriority)
			mark("lifetime", act.msg.Reliability.Lifetime > time.Millisecond)
			mark("unordered", act.msg.Unordered)
			mark("asks for its SACK", act.msg.Immediate)
			mark("another priority at any time", act.do == doPriority)
			mark("in parts", act.open > 0)
			mark("given up in parts", act.do == doCancel)
			mark("a part larger than the send buffer", act.do == doMore && act.size > a.sendBuffer())
		}
	}
	for what, n := range seen {
		if n < seeds/200 {
			t.Errorf("%s: %d times in %d seeds", what, n, seeds)
		}
	}
}
