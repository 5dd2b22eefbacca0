package sctp

import (
	"fmt"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// pipe is two associations joined directly, for measurements: no time passes and
// nothing is lost.
type pipe struct {
	a, b *Association
	now  time.Time
	buf  []byte              // for packets
	read []byte              // for messages
	tap  func(packet []byte) // sees what a sends, if set
}

func newPipe(t testing.TB, cfg Config) *pipe {
	// The time has a monotonic reading, as that of a program has: it is counted with faster.
	p := &pipe{now: time.Now(), buf: make([]byte, 0, 2048), read: make([]byte, 1<<16)}
	var err error
	cfg.Seed = [32]byte{1}
	if p.a, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	cfg.Seed = [32]byte{2}
	if p.b, err = New(cfg); err != nil {
		t.Fatal(err)
	}
	if err := p.a.Connect(p.now); err != nil {
		t.Fatal(err)
	}
	p.run()
	if p.a.State() != Established || p.b.State() != Established {
		t.Fatal("not connected")
	}
	return p
}

// run carries packets until neither side has any, and reads what is readable at b.
func (p *pipe) run() {
	for p.move(p.a, p.b) || p.move(p.b, p.a) || p.drain() {
	}
}

// move carries one packet.
func (p *pipe) move(from, to *Association) bool {
	tx, ok := from.Transmit(p.now, p.buf)
	if ok {
		if p.tap != nil && from == p.a {
			p.tap(tx.Packet)
		}
		to.HandlePacket(p.now, 0, tx.Packet)
	}
	return ok
}

// drain reads at b and takes events of both.
func (p *pipe) drain() (moved bool) {
	for e, ok := p.b.NextEvent(); ok; e, ok = p.b.NextEvent() {
		if e.Kind != EventReadable {
			continue
		}
		for {
			if _, _, err := p.b.Read(p.now, e.Stream, p.read); err != nil {
				break
			}
			moved = true
		}
	}
	for {
		if _, ok := p.a.NextEvent(); !ok {
			return moved
		}
	}
}

// settle lets the delayed SACK go out.
func (p *pipe) settle() {
	p.now = p.now.Add(200 * time.Millisecond)
	p.b.HandleTimeout(p.now)
	p.a.HandleTimeout(p.now)
	p.run()
}

// TestAllocs holds the packet path at no allocation. // PIONS-16
func TestAllocs(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	for _, tt := range []struct {
		desc    string
		size    int
		streams uint16
		cfg     Config
		copies  bool
	}{
		{"small messages", 64, 1, Config{}, false},
		{"small messages in DATA", 64, 1, Config{NoInterleaving: true}, false},
		{"small messages at a measured rate", 64, 1, Config{CongestionControl: BBR}, false},
		{"a packet each", 1100, 1, Config{}, false},
		{"1 KiB", 1 << 10, 1, Config{}, false},
		{"16 KiB", 16 << 10, 1, Config{}, false},
		{"16 KiB in DATA", 16 << 10, 1, Config{NoInterleaving: true}, false},
		{"16 KiB at a measured rate", 16 << 10, 1, Config{CongestionControl: BBR}, false},
		{"256 KiB", 256 << 10, 1, Config{}, false},
		{"many streams", 500, 32, Config{}, false},
		{"copies of small messages", 64, 1, Config{}, true},
		{"copies of 16 KiB", 16 << 10, 1, Config{}, true},
		{"copies of 256 KiB", 256 << 10, 1, Config{}, true},
	} {
		t.Run("transfer/"+tt.desc, func(t *testing.T) {
			tt.cfg.HeartbeatInterval = -1
			p := newPipe(t, tt.cfg)
			payload := make([]byte, tt.size)
			send := (*Association).Send
			if tt.copies {
				send = (*Association).SendCopy
			}
			i := uint16(0)
			round := func() {
				for range max(4, 128<<10/tt.size) {
					i++
					if err := send(p.a, p.now, Message{Stream: i % tt.streams, Payload: payload}); err != nil {
						t.Fatal(err)
					}
				}
				p.run()
				for p.settle(); p.a.out.messages > 0; {
					p.settle()
				}
			}
			for range 20 {
				round()
			}
			if n := testing.AllocsPerRun(100, round); n != 0 {
				t.Errorf("%v allocations for 128 KiB of messages", n)
			}
		})
	}

	for _, kind := range []CongestionControl{CUBIC, BBR} {
		t.Run(fmt.Sprint("paced/controller ", kind), func(t *testing.T) {
			p := newPipe(t, Config{HeartbeatInterval: -1, CongestionControl: kind})
			payload := make([]byte, 3000)
			half := func(from, to *Association) {
				for range 5 {
					p.now = p.now.Add(time.Millisecond)
					from.HandleTimeout(p.now)
					for p.move(from, to) {
					}
				}
			}
			round := func() {
				for range 32 { // more than the window holds at first
					if p.a.Send(p.now, Message{Payload: payload}) != nil {
						break
					}
				}
				half(p.a, p.b)
				half(p.b, p.a)
				p.drain()
			}
			for range 200 {
				round()
			}
			if n := testing.AllocsPerRun(100, round); n != 0 {
				t.Errorf("%v allocations for a round trip", n)
			}
			if s := p.a.Stats(); s.SRTT < 4*time.Millisecond || p.a.paths.primary().cc.pacing() == 0 {
				t.Errorf("not paced: %+v", s)
			}
		})
	}

	t.Run("receive DATA", func(t *testing.T) {
		tc := newConnected(t, Config{})
		var buf [2048]byte
		b := make([]byte, 0, 2048)
		var out [2048]byte
		tsn, ssn, payload := tc.peerTSN, wire.SSN(0), make([]byte, 1000)
		receive := func() {
			b = wire.AppendHeader(b[:0], 5000, 5000, tc.localTag)
			b = wire.AppendData(b, wire.Data{Flags: whole, TSN: tsn, SSN: ssn, Payload: payload})
			wire.SetChecksum(b)
			tsn, ssn = tsn.Add(1), ssn.Next()
			tc.a.HandlePacket(tc.now, 0, b)
			if _, _, err := tc.a.Read(tc.now, 0, buf[:]); err != nil {
				t.Fatal(err)
			}
			for ok := true; ok; _, ok = tc.a.NextEvent() {
			}
			for ok := true; ok; _, ok = tc.a.Transmit(tc.now, out[:0]) {
			}
		}
		receive()
		if n := testing.AllocsPerRun(1000, receive); n != 0 {
			t.Errorf("%v allocations", n)
		}
	})

	t.Run("SACK with gaps", func(t *testing.T) {
		tc := newConnected(t, Config{HeartbeatInterval: -1})
		a := tc.a
		var out [2048]byte
		payload := make([]byte, 1000)
		b := make([]byte, 0, 2048)
		next := 0
		round := func() {
			for range 4 {
				if err := a.Send(tc.now, Message{Payload: payload}); err != nil {
					t.Fatal(err)
				}
			}
			for ok := true; ok; _, ok = a.Transmit(tc.now, out[:0]) {
			}
			for _, gaps := range [][]wire.GapBlock{{{Start: 2, End: 2}, {Start: 4, End: 4}}, nil} {
				cum := next - 1
				if gaps == nil {
					cum = next + 3
				}
				b = wire.AppendHeader(b[:0], 5000, 5000, tc.localTag)
				b = wire.AppendSack(b, tc.localTSN.Add(cum), 1<<20, gaps, nil)
				wire.SetChecksum(b)
				a.HandlePacket(tc.now, 0, b)
			}
			next += 4
			for ok := true; ok; _, ok = a.NextEvent() {
			}
		}
		for range 10 {
			round()
		}
		if n := testing.AllocsPerRun(1000, round); n != 0 {
			t.Errorf("%v allocations", n)
		}
		if a.sent.span() != 0 {
			t.Fatal("not acknowledged")
		}
	})
}
