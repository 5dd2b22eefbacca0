package sctp_test

import (
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// transfer is a scenario without dice: host 0 connects, sends count messages
// of size bytes, in turn on the given number of streams, and shuts down.
func transfer(link netsim.Conditions, count, size, streams int, cfg ...sctp.Config) *scenario {
	s := &scenario{seed: 1, clean: true, links: [2]netsim.Conditions{link, link}}
	for i := range s.hosts {
		p := &s.hosts[i]
		if i < len(cfg) {
			p.cfg = cfg[i]
		}
		p.cfg.Seed[0] = byte(i + 1)
		p.streams = []uint16{0}
	}
	p := &s.hosts[0]
	p.connect = true
	p.streams = nil
	for i := range streams {
		p.streams = append(p.streams, uint16(i))
	}
	for i := range count {
		p.script = append(p.script, action{do: doSend, size: size, stream: i % streams})
	}
	p.script = append(p.script, action{do: doShutdown})
	return s
}

// TestSimulationPace holds that transfers take about the time that the link
// and the windows dictate: no timer is waited for where nothing was lost.
func TestSimulationPace(t *testing.T) {
	const ms = time.Millisecond
	lan := netsim.Conditions{Latency: 10 * ms} // RTT 20 ms
	line := netsim.Conditions{Latency: 10 * ms, Rate: 1_250_000, Queue: 60_000}
	lossy := netsim.Conditions{Latency: 10 * ms, Loss: 0.01}
	small := sctp.Config{ReceiveBuffer: 32 << 10}
	for _, tc := range []struct {
		desc string
		s    *scenario
		most time.Duration
	}{
		// Handshake 2 RTT; the message travels with nothing before it; SHUTDOWN
		// waits for its SACK, and takes one and a half RTT. The last half is
		// the delayed SACK.
		{"one message", transfer(lan, 1, 100, 1), 130 * ms},
		// Slow start doubles about each RTT, from 4 packets to the window of 2 MiB.
		{"5 MB, slow start alone", transfer(lan, 5, 1_000_000, 1), 600 * ms},
		// 31 windows of 32 KiB, one per RTT (PIONS-17: a window that opens is told at once).
		{"1 MB through a small window", transfer(lan, 1000, 1000, 1, sctp.Config{}, small), 1800 * ms},
		{"a message larger than the window", transfer(lan, 1, 1_000_000, 1, sctp.Config{}, small), 1800 * ms},                                     // PIONS-5
		{"four such messages at once", transfer(lan, 4, 400_000, 4, sctp.Config{}, small), 2800 * ms},                                             // PIONS-5
		{"larger than the window and the send buffer", transfer(lan, 2, 500_000, 1, small, small), 1800 * ms},                                     // PIONS-5
		{"hundreds of streams", transfer(lan, 2000, 100, 500), 400 * ms},                                                                          // PIONS-8
		{"a line of 10 Mbit/s, 2 MB", transfer(line, 20, 100_000, 1), 2500 * ms},                                                                  // the line alone: 1.6 s
		{"a hundredth lost, 1 MB", transfer(lossy, 100, 10_000, 1), 6 * time.Second},                                                              // about 90 losses, few of them a timeout's
		{"small windows on both sides, small packets", transfer(lan, 200, 1000, 1, small, sctp.Config{MTU: 512, ReceiveBuffer: 4096}), 2500 * ms}, // 49 windows
	} {
		t.Run(tc.desc, func(t *testing.T) {
			w, err := newWorld(tc.s, nil, nil)
			if err == nil {
				err = w.run()
			}
			if err != nil {
				t.Fatal(err)
			}
			if took := w.ended.Sub(w.start); took > tc.most {
				t.Errorf("took %v, want at most %v: %+v", took, tc.most, w.hosts[0].Stats())
			} else {
				t.Logf("took %v", took)
			}
		})
	}
}

// TestSimulationSlowReader holds that a peer whose window stays closed for long
// is not given up, as long as it answers (9260-6.1-a): the defaults allow ten
// retransmissions, and the pauses here have many more probes.
func TestSimulationSlowReader(t *testing.T) {
	lan := netsim.Conditions{Latency: 10 * time.Millisecond}
	for _, size := range []int{10, 300, 5000} {
		for seed := uint64(1); seed <= 5; seed++ {
			s := transfer(lan, 30_000/size+100, size, 3,
				sctp.Config{RTOMin: 50 * time.Millisecond, RTOInitial: 50 * time.Millisecond, RTOMax: time.Second},
				sctp.Config{ReceiveBuffer: 4096})
			s.seed = seed
			s.hosts[1].pause, s.hosts[1].maxPause = 0.01, 10*time.Minute
			w, err := newWorld(s, nil, nil)
			if err == nil {
				err = w.run()
			}
			if err != nil {
				t.Errorf("messages of %d bytes, seed %d: %v", size, seed, err)
			}
		}
	}
}
