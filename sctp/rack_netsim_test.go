package sctp_test

import (
	"encoding/binary"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// lossyPair is two associations with losses found by time, or by misses, over a network
// that treats what the first sends badly.
type lossyPair struct {
	t          *testing.T
	net        *netsim.Network
	link       netsim.Link
	ends       [2]*sctp.Association
	start, now time.Time
	buf        []byte
	onMessage  func(b []byte)
}

// lossyRTT is the round-trip time between the two.
const lossyRTT = 50 * time.Millisecond

func newLossyPair(t *testing.T, seed uint64, how sctp.LossDetection, c netsim.Conditions) *lossyPair {
	p := &lossyPair{t: t, start: time.Unix(1000, 0), buf: make([]byte, 1<<16)}
	p.now = p.start
	p.net = netsim.New(seed, p.start)
	c.Latency = lossyRTT / 2
	p.link = p.net.AddLink(c, netsim.Conditions{Latency: c.Latency})
	for i := range p.ends {
		cfg := sctp.Config{Seed: [32]byte{byte(i), byte(seed)}, LossDetection: how, HeartbeatInterval: -1, MaxMTU: -1, ReceiveBuffer: 8 << 20}
		a, err := sctp.New(cfg)
		if err != nil {
			t.Fatal(err)
		}
		p.ends[i] = a
	}
	if err := p.ends[0].Connect(p.now); err != nil {
		t.Fatal(err)
	}
	p.run(4 * lossyRTT)
	if p.ends[0].State() != sctp.Established {
		p.run(10 * time.Second) // a packet of the handshake was lost
	}
	return p
}

// run lets time pass.
func (p *lossyPair) run(d time.Duration) {
	for end := p.now.Add(d); ; {
		p.send(0)
		p.send(1)
		at := end
		if next, ok := p.net.Next(); ok && next.Before(at) {
			at = next
		}
		for _, a := range p.ends {
			if next, ok := a.Timeout(); ok && next.Before(at) {
				at = next
			}
		}
		if p.now = at; !at.Before(end) {
			return
		}
		for d, ok := p.net.Deliver(p.now); ok; d, ok = p.net.Deliver(p.now) {
			to := d.Dir.Reverse()
			p.ends[to].HandlePacket(p.now, 0, d.Packet)
			p.send(int(to))
		}
		for _, a := range p.ends {
			a.HandleTimeout(p.now)
		}
	}
}

// send drains one end.
func (p *lossyPair) send(i int) {
	for tx, ok := p.ends[i].Transmit(p.now, p.buf[:0]); ok; tx, ok = p.ends[i].Transmit(p.now, p.buf[:0]) {
		p.net.Send(p.now, p.link, netsim.Dir(i), tx.Packet)
	}
	for e, ok := p.ends[i].NextEvent(); ok; e, ok = p.ends[i].NextEvent() {
		for e.Kind == sctp.EventReadable {
			n, _, err := p.ends[i].Read(p.now, e.Stream, p.buf)
			if err != nil {
				break
			}
			p.onMessage(p.buf[:n])
		}
	}
}

// TestThinChannelOverLoss: on a channel with a message now and then no loss, not even of
// a retransmission, costs a timeout: the next message shows it. // 8985-6.2-d 8985-7.3-a
func TestThinChannelOverLoss(t *testing.T) {
	const every, count = 150 * time.Millisecond, 400
	for seed := uint64(1); seed <= 5; seed++ {
		p := newLossyPair(t, seed, sctp.RACK, netsim.Conditions{Loss: 0.05})
		var worst time.Duration
		got := 0
		p.onMessage = func(b []byte) {
			got++
			worst = max(worst, p.now.Sub(p.start)-time.Duration(binary.BigEndian.Uint64(b)))
		}
		for range count {
			b := binary.BigEndian.AppendUint64(nil, uint64(p.now.Sub(p.start)))
			if err := p.ends[0].Send(p.now, sctp.Message{Payload: b, Unordered: true}); err != nil {
				t.Fatal(err)
			}
			p.run(every)
		}
		p.run(3 * time.Second)
		if s := p.ends[0].Stats(); got != count || s.Timeouts > 0 || s.TimeLosses < 5 || worst > time.Second {
			t.Errorf("seed %d: %d messages, the worst took %v, %d lost, %d timeouts, %d probes", seed, got, worst, s.TimeLosses, s.Timeouts, s.TailLossProbes)
		}
	}
}

// TestThinChannelOverHeavyLoss: with a fifth lost both ways, SACKs included, a timeout now and then cannot be
// avoided, and every third is in vain; but they do not add up to minutes. // 9260-6.3.3-a
func TestThinChannelOverHeavyLoss(t *testing.T) {
	const every, count = time.Second, 1000
	for seed := uint64(1); seed <= 5; seed++ {
		p := newLossyPair(t, seed, sctp.RACK, netsim.Conditions{})
		heavy := netsim.Conditions{Latency: lossyRTT / 2, Loss: 0.2}
		p.net.SetConditions(p.link, 0, heavy)
		p.net.SetConditions(p.link, 1, heavy)
		var delays []time.Duration
		p.onMessage = func(b []byte) {
			delays = append(delays, p.now.Sub(p.start)-time.Duration(binary.BigEndian.Uint64(b)))
		}
		for range count {
			b := make([]byte, 100)
			binary.BigEndian.PutUint64(b, uint64(p.now.Sub(p.start)))
			if err := p.ends[0].Send(p.now, sctp.Message{Payload: b}); err != nil {
				t.Fatal(err)
			}
			p.run(every)
		}
		p.run(time.Minute)
		slices.Sort(delays)
		if s := p.ends[0].Stats(); len(delays) != count || s.Timeouts < 10 || delays[count*99/100] > 3*time.Second || delays[count-1] > 10*time.Second {
			t.Errorf("seed %d: %d messages, 99 %% within %v, all within %v, %d timeouts", seed, len(delays), delays[len(delays)*99/100], delays[len(delays)-1], s.Timeouts)
		}
	}
}

// TestThinChannelOnLongerPath: when a round trip becomes longer than the timeout, that grows before long, and
// what is sent now and then is not sent twice for ever. // 9260-6.3.1-b 9260-6.3.3-a
func TestThinChannelOnLongerPath(t *testing.T) {
	p := newLossyPair(t, 1, sctp.RACK, netsim.Conditions{})
	for i := range 2 {
		p.net.SetConditions(p.link, netsim.Dir(i), netsim.Conditions{Latency: 1500 * time.Millisecond})
	}
	got := 0
	p.onMessage = func([]byte) { got++ }
	var before sctp.Stats
	for i := range 200 {
		if i == 60 {
			before = p.ends[0].Stats()
		}
		if err := p.ends[0].Send(p.now, sctp.Message{Payload: make([]byte, 100)}); err != nil {
			t.Fatal(err)
		}
		p.run(time.Second)
	}
	p.run(time.Minute)
	if s := p.ends[0].Stats(); got != 200 || s.Timeouts != before.Timeouts || s.Retransmissions-before.Retransmissions > 2 {
		t.Errorf("%d messages; %d timeouts, %d sent again in the first minute, %d and %d in all", got, before.Timeouts, before.Retransmissions, s.Timeouts, s.Retransmissions)
	}
}

// TestAfterOutage: after some seconds without a link, of which each timeout tells again, a transfer is soon as fast
// as before. What came in before the outage, with its SACKs lost, says nothing about the round trip. // 9438-4.8-a
func TestAfterOutage(t *testing.T) {
	there, back := netsim.Conditions{Latency: lossyRTT / 2, Rate: 2_500_000, Queue: 50_000}, netsim.Conditions{Latency: lossyRTT / 2}
	for _, how := range []sctp.LossDetection{sctp.RACK, sctp.MissIndications} {
		p := newLossyPair(t, 1, how, there)
		got := 0
		p.onMessage = func(b []byte) { got += len(b) }
		transfer := func(d time.Duration) {
			for end := p.now.Add(d); p.now.Before(end); p.run(lossyRTT / 2) {
				for p.ends[0].Send(p.now, sctp.Message{Payload: make([]byte, 20_000)}) == nil {
				}
			}
		}
		link := func(c, d netsim.Conditions) {
			p.net.SetConditions(p.link, 0, c)
			p.net.SetConditions(p.link, 1, d)
		}
		transfer(12 * time.Second)
		before := p.ends[0].Stats()
		link(netsim.Conditions{Loss: 1}, netsim.Conditions{Loss: 1})
		transfer(15 * time.Second)
		link(there, back)
		for had := got; got == had; {
			transfer(lossyRTT)
		}
		got = 0
		transfer(5 * time.Second)
		after := p.ends[0].Stats()
		if after.Timeouts-before.Timeouts < 4 || after.SlowStartThreshold < before.CongestionWindow/2 || got < 5*2_500_000*3/4 {
			t.Errorf("losses by %v: %d bytes in 5 s after %d timeouts, threshold %d, window before %d",
				how, got, after.Timeouts-before.Timeouts, after.SlowStartThreshold, before.CongestionWindow)
		}
	}
}

// TestReorderedTransfer: where packets overtake each other by less than a round trip,
// loss detection learns to wait: in the end hardly anything is sent again, and the
// window is as if nothing had been. // 8985-6.2-b 8985-6.2-c
func TestReorderedTransfer(t *testing.T) {
	testReordered(t, 0.02, lossyRTT/2)
	testReordered(t, 0.01, lossyRTT*4/5) // all that is late was sent again before it comes, at first
}

func testReordered(t *testing.T, share float64, late time.Duration) {
	for seed := uint64(1); seed <= 3; seed++ {
		var goodput [2]int
		for how := range goodput {
			p := newLossyPair(t, seed, sctp.LossDetection(how), netsim.Conditions{
				Rate: 2_500_000, Queue: 500_000, Reorder: share, ReorderDelay: late,
			})
			p.onMessage = func(b []byte) { goodput[how] += len(b) }
			transfer := func() {
				for range 200 {
					for p.ends[0].Send(p.now, sctp.Message{Payload: make([]byte, 20_000)}) == nil {
					}
					p.run(lossyRTT / 2)
				}
			}
			transfer()
			before := p.ends[0].Stats()
			transfer()
			after := p.ends[0].Stats()
			again, sent := after.Retransmissions-before.Retransmissions, after.DataChunksSent-before.DataChunksSent
			if how == int(sctp.RACK) && (again*200 > sent || after.Timeouts > 0 || after.SpuriousRecoveries == 0) {
				t.Errorf("late by %v, seed %d: %d of %d sent again; %d timeouts, %d recoveries undone", late, seed, again, sent, after.Timeouts, after.SpuriousRecoveries)
			}
		}
		if goodput[sctp.RACK] < 2*goodput[sctp.MissIndications] {
			t.Errorf("late by %v, seed %d: %d bytes, with miss indications %d", late, seed, goodput[sctp.RACK], goodput[sctp.MissIndications])
		}
	}
}

// TestSimulationRecovers holds that the simulation meets what loss detection by time
// does: losses, probes, recoveries that were needless.
func TestSimulationRecovers(t *testing.T) {
	var lost, probes, undone uint64
	for seed := uint64(1); lost == 0 || probes == 0 || undone == 0; seed++ {
		w, err := runSeed(seed, nil, nil)
		if err != nil || seed > 500 {
			t.Fatalf("seed %d: %v; %d lost, %d probes, %d undone", seed, err, lost, probes, undone)
		}
		for _, h := range w.hosts {
			s := h.Stats()
			lost, probes, undone = lost+s.TimeLosses, probes+s.TailLossProbes, undone+s.SpuriousRecoveries
		}
	}
}
