package sctp

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// A foreignReceiver is a peer that keeps the rules and takes of what is sent what it likes: it loses and
// drops chunks, gives up what it acknowledged in gap blocks, opens and closes its window, and sends a
// SACK when it likes. In the end it takes everything.
type foreignReceiver struct {
	tc       *testConn
	rng      *rand.Rand
	good     bool // it takes everything, and says so
	taken    map[int]fragment
	dups     []int
	cum      int
	messages []*foreignText
	open     [4]*foreignText
}

// foreignText is a message that was accepted.
type foreignText struct {
	text    []byte
	bounded bool // it need not arrive
}

func newForeignReceiver(t *testing.T, rng *rand.Rand) *foreignReceiver {
	pick := func(values ...int) int { return values[rng.IntN(len(values))] }
	cfg := Config{
		SendBuffer: pick(0, 1, 3000, 30_000), Frugal: rng.IntN(2) == 0, HeartbeatInterval: time.Duration(pick(-1, -1, int(20*time.Millisecond))),
		CongestionControl: CongestionControl(rng.IntN(3)), LossDetection: LossDetection(rng.IntN(2)), MaxBurst: pick(0, 1, 20),
		MTU: pick(0, 512, 4000), InitialWindow: pick(0, 512, 20_000), Scheduler: Scheduler(rng.IntN(int(FairCapacity) + 1)),
		RTOInitial: time.Duration(pick(0, 1, 100)) * time.Millisecond, RTOMin: time.Millisecond, RTOMax: time.Second, MaxRetransmits: 1 << 20,
	}
	r := &foreignReceiver{rng: rng, cum: -1, taken: make(map[int]fragment)}
	if rng.IntN(2) == 0 {
		r.tc = newInterleaved(t, cfg)
	} else {
		r.tc = newConnected(t, cfg)
	}
	return r
}

// send has the association send something.
func (r *foreignReceiver) send() error {
	tc, rng := r.tc, r.rng
	id := uint16(rng.IntN(len(r.open)))
	if m := r.open[id]; m != nil {
		if rng.IntN(20) == 0 {
			tc.a.Cancel(tc.now, id)
			m.bounded, r.open[id] = true, nil
			return nil
		}
		return r.more(id, rng.IntN(3) > 0)
	}
	m := Message{Stream: id, PPID: uint32(len(r.messages) + 1), Unordered: rng.IntN(2) == 0, Payload: make([]byte, 1+rng.IntN(60))}
	if rng.IntN(3) == 0 {
		m.Payload = make([]byte, 1+rng.IntN(5000))
	}
	for i := range m.Payload {
		m.Payload[i] = byte(len(r.messages) + i)
	}
	switch rng.IntN(12) {
	case 0:
		m.Reliability = Reliability{LimitRetransmits: true, MaxRetransmits: uint16(rng.IntN(3))}
	case 1:
		m.Reliability = Reliability{LimitLifetime: true, Lifetime: time.Duration(rng.Int64N(int64(time.Second)))}
	case 2:
		m.Reliability = Reliability{LimitPriority: true, Priority: uint32(rng.IntN(3))}
	case 3:
		m.More = true
	case 4:
		tc.check(tc.a.SetStreamPriority(id, uint16(rng.IntN(2000))))
	}
	text := &foreignText{text: m.Payload, bounded: m.Reliability != Reliability{}}
	switch err := tc.a.SendCopy(tc.now, m); {
	case errors.Is(err, ErrSendBufferFull):
		return nil
	case err != nil:
		return err
	}
	if m.More {
		r.open[id] = text
	}
	r.messages = append(r.messages, text)
	return nil
}

// more goes on with a message in parts, or ends it.
func (r *foreignReceiver) more(id uint16, more bool) error {
	m := r.open[id]
	part := make([]byte, 1+r.rng.IntN(1500))
	for i := range part {
		part[i] = m.text[0] + byte(len(m.text)+i)
	}
	switch err := r.tc.a.SendMore(r.tc.now, id, part, more); {
	case errors.Is(err, ErrSendBufferFull):
	case err != nil:
		return err
	default:
		if m.text = append(m.text, part...); !more {
			r.open[id] = nil
		}
	}
	return nil
}

// receive takes what was sent, or some of it, in any order.
func (r *foreignReceiver) receive() error {
	r.tc.drain()
	packets := r.tc.sent
	r.tc.sent = nil
	if !r.good {
		r.rng.Shuffle(len(packets), func(i, j int) { packets[i], packets[j] = packets[j], packets[i] })
	}
	for _, p := range packets {
		if !r.good && r.rng.IntN(4) == 0 {
			continue
		}
		it := wire.Packet(p).Chunks()
		for c, ok := it.Next(); ok; c, ok = it.Next() {
			if err := r.take(c); err != nil {
				return err
			}
		}
	}
	for {
		if _, ok := r.taken[r.cum+1]; !ok {
			return nil
		}
		r.cum++
	}
}

// take takes a chunk.
func (r *foreignReceiver) take(c wire.Chunk) error {
	var to wire.TSN
	switch c.Type() {
	case wire.TypeData, wire.TypeIData:
		var f fragment
		if err := f.read(c); err != nil {
			return err
		}
		tsn := f.tsn.Since(r.tc.localTSN)
		old, again := r.taken[tsn]
		switch {
		case again && (!bytes.Equal(old.payload, f.payload) || old.info != f.info || old.number != f.number):
			return fmt.Errorf("TSN %d is another chunk now: %+v, was %+v", tsn, f.info, old.info)
		case again || tsn <= r.cum:
			r.dups = append(r.dups, tsn)
		case r.good || r.rng.IntN(8) > 0:
			f.payload = bytes.Clone(f.payload)
			r.taken[tsn] = f
		}
		return nil
	case wire.TypeForwardTSN:
		f, err := c.ForwardTSN()
		if err != nil {
			return err
		}
		to = f.NewCumTSN
	case wire.TypeIForwardTSN:
		f, err := c.IForwardTSN()
		if err != nil {
			return err
		}
		to = f.NewCumTSN
	case wire.TypeHeartbeat:
		info, _ := c.HeartbeatInfo()
		r.tc.write(built(func(b []byte) []byte { return wire.AppendHeartbeat(b, wire.TypeHeartbeatAck, info) }))
		return nil
	default:
		return nil
	}
	r.cum = max(r.cum, to.Since(r.tc.localTSN))
	return nil
}

// acknowledge sends a SACK.
func (r *foreignReceiver) acknowledge() {
	s := sack{cum: r.cum, dups: r.dups[:min(len(r.dups), 5)]}
	var above []int
	for tsn := range r.taken {
		if tsn > r.cum {
			above = append(above, tsn)
		}
	}
	slices.Sort(above)
	for i, tsn := range above {
		at := uint16(tsn - r.cum)
		if i > 0 && above[i-1] == tsn-1 {
			s.gaps[len(s.gaps)-1].End = at
		} else {
			s.gaps = append(s.gaps, wire.GapBlock{Start: at, End: at})
		}
	}
	if !r.good {
		switch r.rng.IntN(8) {
		case 0:
			s.closed = true
		case 1:
			s.window = 1 + r.rng.Uint32N(3000)
		}
	}
	r.dups = nil
	r.tc.write(s)
}

// renege gives up a chunk that was acknowledged in a gap block.
func (r *foreignReceiver) renege() {
	if tsn := r.cum + 2 + r.rng.IntN(20); r.rng.IntN(2) == 0 {
		delete(r.taken, tsn)
	}
}

// step does something.
func (r *foreignReceiver) step() error {
	tc := r.tc
	switch r.rng.IntN(10) {
	case 0, 1, 2:
		return r.send()
	case 3, 4:
		return r.receive()
	case 5, 6:
		r.acknowledge()
	case 7:
		r.renege()
	case 8:
		tc.advance(time.Duration(r.rng.Int64N(int64(50 * time.Millisecond))))
	case 9:
		if r.rng.IntN(4) == 0 {
			tc.a.rest()
		} else if _, on := tc.a.Timeout(); on {
			tc.advanceToTimer()
		}
	}
	return nil
}

// finish has all arrive.
func (r *foreignReceiver) finish() error {
	tc := r.tc
	r.good = true
	for n := 0; tc.a.out.buffered > 0 || tc.a.sent.span() > 0 || r.open != [4]*foreignText{}; n++ {
		if n > 3000 {
			return fmt.Errorf("the end does not come: %+v", tc.a.Stats())
		}
		for id, m := range r.open {
			if m == nil {
				continue
			}
			if err := r.more(uint16(id), false); err != nil {
				return err
			}
			if r.open[id] != nil && n%50 == 49 { // another one may have to end first
				tc.a.Cancel(tc.now, uint16(id))
				m.bounded, r.open[id] = true, nil
			}
		}
		tc.drain()
		if len(tc.sent) == 0 {
			if _, on := tc.a.Timeout(); on {
				tc.advanceToTimer()
			}
		}
		if err := r.receive(); err != nil {
			return err
		}
		tc.advance(5 * time.Millisecond) // the way back
		r.acknowledge()
		tc.events = nil
	}
	return r.compare()
}

// compare compares what arrived with what was sent.
func (r *foreignReceiver) compare() error {
	type key struct {
		stream    uint16
		unordered bool
		mid       wire.MID
	}
	pieces := make(map[key][]fragment)
	var run []fragment
	arrived := make(map[uint32][]byte)
	put := func(list []fragment) {
		var text []byte
		for _, f := range list {
			text = append(text, f.payload...)
		}
		arrived[list[0].info.ppid] = text
	}
	for tsn := range r.cum + 1 {
		f, ok := r.taken[tsn]
		switch k := (key{f.info.stream, f.info.unordered, f.info.mid}); {
		case !ok:
			run = nil
		case r.tc.a.peer.interleaving:
			if pieces[k] = append(pieces[k], f); f.end && int(f.number) == len(pieces[k])-1 {
				put(pieces[k])
			}
		default:
			if f.begin {
				run = nil
			}
			if run = append(run, f); f.end && run[0].begin {
				put(run)
			}
		}
	}
	for i, m := range r.messages {
		if text, ok := arrived[uint32(i+1)]; !ok && !m.bounded || ok && !m.bounded && !bytes.Equal(text, m.text) {
			return fmt.Errorf("message %d of %d bytes: %d bytes arrived", i, len(m.text), len(text))
		}
	}
	return nil
}

// TestForeignReceiver: whatever a receiver loses, takes back and says of its window, everything reliable has
// arrived once it takes what it is sent, and all that is counted fits together at any time.
// // 9260-6.3.3 9260-6.1-a
func TestForeignReceiver(t *testing.T) {
	seeds := 300
	if testing.Short() || raceDetector {
		seeds = 50
	}
	for seed := range seeds {
		r := newForeignReceiver(t, rand.New(rand.NewPCG(uint64(seed), 78)))
		err := error(nil)
		for n := 0; n < 300 && err == nil; n++ {
			err = r.step()
			if r.tc.events = nil; err != nil {
				break
			}
			r.tc.drain()
			if bad := r.tc.a.invariants(r.tc.now); bad != "" {
				err = errors.New(bad)
			}
		}
		if err == nil {
			err = r.finish()
		}
		if err != nil {
			t.Fatalf("seed %d, interleaved %v, %+v: %v", seed, r.tc.a.peer.interleaving, r.tc.a.cfg, err)
		}
	}
}
