package sctp

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// pieces reads all that is there of a stream: each piece, with a "+" if there is more of its message.
func (tc *testConn) pieces(stream uint16) (got []string) {
	tc.t.Helper()
	var buf [1 << 16]byte
	for {
		n, info, err := tc.a.Read(tc.now, stream, buf[:])
		if err == ErrWouldBlock || err != nil && tc.a.ended {
			return got
		}
		s := string(buf[:n])
		switch {
		case err != nil:
			s = err.Error()
		case !info.Complete:
			s += "+"
		}
		got = append(got, s)
	}
}

// TestBeginningBeyondGap: a message in I-DATA chunks whose beginning came in before what was sent
// earlier is not read yet: unordered messages of its stream that fill the gap would stand behind it,
// where nobody can read them, and leave no room for its end. // 9260-6.9-a 8260-2.2.3-a
func TestBeginningBeyondGap(t *testing.T) {
	const before, parts = 40, 9 // whole messages, then one in so many fragments and its end
	for _, cfg := range []Config{{ReceiveBuffer: 4096, Frugal: true}, {ReceiveBuffer: 4096}, {}} {
		for _, eager := range []bool{false, true} {
			for _, unordered := range []wire.DataFlags{0, wire.FlagUnordered} {
				tc := newInterleaved(t, cfg)
				tc.a.DeliverParts(1, eager)
				write := func(tsn int, mid wire.MID, fsn int, flags wire.DataFlags, text string) (got []string) {
					tc.write(iData{tsn: tsn, sid: 1, mid: mid, fsn: wire.FSN(fsn), flags: flags, payload: text})
					if s := tc.a.invariants(tc.now); s != "" {
						t.Fatal(s)
					}
					return tc.pieces(1)
				}
				last := wire.MID(0) // ordered messages are counted apart
				if unordered != 0 {
					last = before
				}
				for i := range parts {
					flags := unordered
					if i == 0 {
						flags |= wire.FlagBegin
					}
					if got := write(before+i, last, i, flags, "part"); len(got) > 0 {
						t.Fatalf("%+v: %q was read before what was sent earlier", cfg, got)
					}
				}
				var got []string
				for i := range before {
					got = append(got, write(i, wire.MID(i), 0, whole|wire.FlagUnordered, "whole")...)
				}
				beginning := strings.Repeat("part", parts) + "+"
				switch {
				case !eager:
					beginning = ""
				case len(got) == before || got[before] != beginning:
					t.Errorf("%+v: %q was read, and not what came in of the large message", cfg, got)
				}
				got = append(got, write(before+parts, last, parts, wire.FlagEnd|unordered, "end")...)
				whole := strings.Repeat("whole", before)
				if all := strings.ReplaceAll(strings.Join(got, ""), "+", ""); all != whole+strings.Repeat("part", parts)+"end" || tc.a.in.entries != 0 {
					t.Errorf("%+v, eager %v: %q was read, %d entries left", cfg, eager, got, tc.a.in.entries)
				}
			}
		}
	}
}

// TestGapClosesBeforeBeginnings: with half of the buffer full the beginnings of messages of several
// streams are read as soon as the gap before them closes, and no later one, whatever came first;
// those that were skipped, or whose stream was reset, are not. // 9260-6.9-a 8260-2.2.3-a 8260-2.3.1-a
func TestGapClosesBeforeBeginnings(t *testing.T) {
	const size = 600
	begin := func(tsn int, unordered wire.DataFlags) iData {
		return iData{tsn: tsn, sid: uint16(tsn), flags: wire.FlagBegin | unordered, payload: string(payload(size))}
	}
	prepare := func() *testConn {
		tc := newInterleaved(t, Config{ReceiveBuffer: 6000, InboundStreams: 100})
		for _, tsn := range []int{7, 3, 9, 2, 5, 1, 6, 8} { // 0 and 4 are missing
			tc.write(begin(tsn, wire.DataFlags(tsn%2)*wire.FlagUnordered))
		}
		if n := len(tc.a.in.beyond.list); n != 8 {
			t.Fatalf("%d beginnings wait", n)
		}
		return tc
	}
	check := func(tc *testConn, desc string, streams ...uint16) {
		t.Helper()
		if s := tc.a.invariants(tc.now); s != "" {
			t.Fatalf("%s: %s", desc, s)
		}
		var got []uint16
		for id := range uint16(10) {
			if s := tc.pieces(id); len(s) == 1 && len(s[0]) == size+1 {
				got = append(got, id)
			}
		}
		if fmt.Sprint(got) != fmt.Sprint(streams) {
			t.Errorf("%s: streams %v were read, want %v", desc, got, streams)
		}
	}
	first, second := iData{tsn: 0, sid: 20, flags: whole, payload: "x"}, iData{tsn: 4, sid: 20, mid: 1, flags: whole, payload: "x"}

	tc := prepare()
	check(tc, "nothing came before")
	tc.write(first)
	check(tc, "the first gap is closed", 1, 2, 3)
	tc.write(iData{tsn: 10, sid: 30, flags: wire.FlagBegin, payload: string(payload(2000))})
	tc.write(second)
	check(tc, "the second one is", 5, 6, 7, 8, 9)

	tc = prepare()
	tc.write(iData{tsn: 0, sid: 4000, flags: whole, payload: "x"})
	check(tc, "the first gap is closed by what goes to no stream", 1, 2, 3)

	tc = prepare()
	tc.write(second)
	check(tc, "the second gap is closed")
	tc.write(first)
	check(tc, "the first one is, too", 1, 2, 3, 5, 6, 7, 8, 9)

	tc = prepare()
	tc.write(iForwardTSN{4, []wire.SkippedMessage{{Stream: 2}, {Stream: 5, Unordered: true}}})
	check(tc, "the gaps are skipped, and two messages", 1, 3, 6, 7, 8, 9)

	tc = prepare()
	tc.write(tc.outReset(0, 4, 1, 6))
	tc.write(first, second)
	check(tc, "two streams are reset behind the gaps", 2, 3, 5, 7, 8, 9)

	tc = prepare()
	tc.write(iData{tsn: 4, sid: 50, flags: whole, payload: string(payload(9000))})
	tc.write(first)
	check(tc, "some had to give way, so that there is a gap again", 1)
	tc.write(begin(2, 0), begin(3, wire.FlagUnordered))
	check(tc, "which is closed", 2, 3, 5, 6)
}

// TestUnfinishedInterleaved: a message in I-DATA chunks whose rest never comes does not stop its stream, nor,
// with what waits behind it, the association (the crate dcsctp, when a lifetime ends between two fragments).
// // 8260-2.2.2-a 9260-6.6-a
func TestUnfinishedInterleaved(t *testing.T) {
	for _, unordered := range []wire.DataFlags{0, wire.FlagUnordered} {
		for _, read := range []bool{false, true} { // its beginning was
			tc := newInterleaved(t, Config{ReceiveBuffer: 4096, Frugal: true})
			tc.a.DeliverParts(1, read)
			tsn := 0
			write := func(mid int, flags wire.DataFlags, text string) (got []string) {
				tc.write(iData{tsn: tsn, sid: 1, mid: wire.MID(mid), flags: flags | unordered, payload: text})
				tsn++
				if s := tc.a.invariants(tc.now); s != "" {
					t.Fatal(s)
				}
				return tc.pieces(1)
			}
			var got []string
			for mid := range 100 {
				if mid%10 == 3 {
					got = append(got, write(mid, wire.FlagBegin, "half")...)
				} else {
					got = append(got, write(mid, whole, "whole")...)
				}
			}
			want := 90
			if read {
				want += 20 // ten beginnings, and that they end there
			}
			if len(got) != want || tc.a.in.entries != 0 {
				t.Errorf("unordered %v, read %v: %d were read, want %d; %d entries left: %q", unordered > 0, read, len(got), want, tc.a.in.entries, got)
			}

			tsn++ // one is missing
			for mid := 101; mid < 104; mid++ {
				got = write(mid, wire.FlagBegin, "half")
			}
			if len(got) > 0 {
				t.Errorf("%q was read before what is missing", got)
			}
			tc.write(iData{tsn: 100, sid: 1, mid: 100, flags: whole | unordered, payload: "whole"})
			if got = append(tc.pieces(1), write(104, whole, "whole")...); got[0] != "whole" || got[len(got)-1] != "whole" || tc.a.in.entries != 0 {
				t.Errorf("unordered %v, read %v: behind a gap %q were read, %d entries left", unordered > 0, read, got, tc.a.in.entries)
			}
		}
	}
}

// TestUnfinishedBeforeOtherKind: nor do unordered messages wait for the rest of an ordered one of their stream, or the
// reverse: a sender has one message of a stream under way, of whichever kind. That is known as soon as all
// that was sent before them is here, also when another stream's chunk is what was missing. // 8260-2.2.2-a 9260-6.2-f
func TestUnfinishedBeforeOtherKind(t *testing.T) {
	const u = wire.FlagUnordered
	for _, kind := range []wire.DataFlags{0, u} {
		for _, follower := range []wire.DataFlags{whole, wire.FlagBegin} {
			for _, gap := range []bool{false, true} {
				for _, eager := range []bool{false, true} { // its beginning is read at once, or as there is no room
					tc := newInterleaved(t, Config{ReceiveBuffer: 4096, Frugal: true})
					tc.a.DeliverParts(1, eager)
					tsn := 0
					write := func(tsn int, sid uint16, mid, fsn int, flags wire.DataFlags, text string) {
						tc.write(iData{tsn: tsn, sid: sid, mid: wire.MID(mid), fsn: wire.FSN(fsn), flags: flags, payload: text})
						if s := tc.a.invariants(tc.now); s != "" {
							t.Fatal(s)
						}
					}
					flags := kind | wire.FlagBegin
					for fsn := range 9 { // over half of the buffer
						write(tsn, 1, 0, fsn, flags, "half")
						flags = kind
						tsn++
					}
					got := tc.pieces(1)
					if len(got) == 0 {
						t.Fatal("the beginning was not read")
					}
					missing := tsn
					if gap {
						tsn++
					}
					for mid := range 3 {
						write(tsn, 1, mid, 0, kind^u|follower, "later")
						if tsn++; follower == wire.FlagBegin {
							write(tsn, 1, mid, 1, kind^u|wire.FlagEnd, "later")
							tsn++
						}
					}
					if gap {
						if got := tc.pieces(1); len(got) > 0 {
							t.Fatalf("%q was read though the rest may come", got)
						}
						write(missing, 2, 0, 0, whole, "another stream")
					}
					got = tc.pieces(1)
					if len(got) != 4 || got[0] != ErrMessageAborted.Error() || got[3] != got[1] || tc.pieces(2) != nil && !gap {
						t.Errorf("kind %v, %v, gap %v, eager %v: %q was read", kind, follower, gap, eager, got)
					}
					if tc.pieces(2); tc.a.in.entries != 0 || len(tc.a.in.beyond.list) != 0 {
						t.Errorf("%d entries are left", tc.a.in.entries)
					}
				}
			}
		}
	}
}

// TestBeyondAtTheEnd: what stood beyond a gap when the association ended, restarted or began its numbers anew
// can be read, if it is complete.
func TestBeyondAtTheEnd(t *testing.T) {
	for _, way := range []string{"end", "restart", "reset"} {
		tc := newInterleaved(t, Config{PeerReconfig: ReconfigPolicy{AllowAssociationReset: true}})
		tc.write(iData{tsn: 0, sid: 1, flags: wire.FlagBegin, payload: "half"})
		tc.write(iData{tsn: 2, sid: 1, mid: 0, flags: whole | wire.FlagUnordered, payload: "first"})
		tc.write(iData{tsn: 3, sid: 1, mid: 1, flags: whole | wire.FlagUnordered, payload: "second"})
		if n := len(tc.a.in.beyond.list); n != 2 {
			t.Fatalf("%d messages wait", n)
		}
		switch way {
		case "end":
			tc.write(chunk{t: wire.TypeAbort})
		case "restart":
			tc.peerTag++
			tc.write(tc.init())
			tc.write(tc.cookieEcho())
		case "reset":
			tc.write(tc.tsnReset(0))
		}
		if n := len(tc.a.in.beyond.list); n != 0 {
			t.Errorf("%s: %d messages still wait", way, n)
		}
		if got := tc.pieces(1); len(got) < 2 || got[0] != "first" || got[1] != "second" {
			t.Errorf("%s: %q was read", way, got)
		}
		if s := tc.a.invariants(tc.now); s != "" {
			t.Error(s)
		}
	}
}

// TestLaterNumberFirst: a message that comes behind one with a higher number of its stream, which no sender may make of
// its TSNs, is not given up with that one halfway.
func TestLaterNumberFirst(t *testing.T) {
	const u = wire.FlagUnordered
	tc := newInterleaved(t, Config{})
	for tsn, d := range []iData{{mid: 1}, {mid: 0}, {flags: u}, {mid: 1, flags: u}, {mid: 2, flags: wire.FlagEnd}} {
		d.tsn, d.flags, d.payload = tsn, d.flags|wire.FlagBegin, "x"
		tc.write(d)
		if s := tc.a.invariants(tc.now); s != "" {
			t.Fatal(s)
		}
	}
	tc.wantRead("the only one that is complete", 0, "x")
	if tc.a.in.entries != 0 {
		t.Fatalf("%d entries are left", tc.a.in.entries)
	}
}

// TestAnyInterleaving: whatever a peer makes of TSNs, numbers and flags of I-DATA and I-FORWARD-TSN, resets its streams
// and begins its TSNs anew, what is held of it is in order and bounded, and gone when it is read or given up.
func TestAnyInterleaving(t *testing.T) {
	seeds := 400
	if testing.Short() || raceDetector {
		seeds = 60
	}
	for seed := range seeds {
		rng := rand.New(rand.NewPCG(uint64(seed), 5))
		p := anyPeer{rng: rng, streams: 1 + rng.IntN(4), span: 2 + rng.IntN(60), numbers: 1 + rng.IntN(12)}
		frugal := rng.IntN(2) == 0
		p.tc = newInterleaved(t, Config{
			ReceiveBuffer: []int{4096, 5000, 16_384, 100_000}[rng.IntN(4)], Frugal: frugal, NRSACK: !frugal && rng.IntN(4) == 0,
			HeartbeatInterval: -1, PeerReconfig: ReconfigPolicy{AllowAssociationReset: true},
		})
		for step := 0; step < 300 && p.tc.a.state == Established; step++ {
			p.step()
			if s := p.tc.a.invariants(p.tc.now); s != "" {
				t.Fatalf("seed %d, step %d: %s", seed, step, s)
			}
			p.tc.sent, p.tc.events = p.tc.sent[:0], p.tc.events[:0]
		}
		p.tc.write(chunk{t: wire.TypeAbort})
		for id := range p.streams {
			p.tc.pieces(uint16(id))
		}
		if n := len(p.tc.a.in.beyond.list); n > 0 {
			t.Fatalf("seed %d: %d messages wait for what will not come", seed, n)
		}
	}
}

// anyPeer is a peer that keeps no rules, and the reader of what it sends.
type anyPeer struct {
	tc            *testConn
	rng           *rand.Rand
	streams       int
	span, numbers int       // how far its TSNs and message numbers spread
	base          [4][2]int // of the numbers, by stream and kind
	requests      int
}

func (p *anyPeer) step() {
	rng, tc := p.rng, p.tc
	cum, id := tc.a.tsns.cum.Since(tc.peerTSN), uint16(rng.IntN(p.streams))
	switch rng.IntN(20) {
	case 0:
		f := iForwardTSN{cum: cum - 1 + rng.IntN(p.span)}
		for range rng.IntN(4) {
			kind := rng.IntN(2)
			f.messages = append(f.messages, wire.SkippedMessage{Stream: id, Unordered: kind == 1, MID: p.number(id, kind)})
			id = uint16(rng.IntN(p.streams))
		}
		tc.write(f)
	case 1:
		tc.a.DeliverParts(id, rng.IntN(2) == 0)
	case 2:
		switch rng.IntN(30) {
		case 0, 1, 2, 3, 4, 5, 6:
			tc.write(tc.outReset(p.requests, cum-2+rng.IntN(4), id))
			p.requests++
		case 7:
			tc.write(tc.tsnReset(p.requests))
			p.requests++
		}
	case 3, 4:
		buf := make([]byte, 1+rng.IntN(5000))
		for range 1 + rng.IntN(5) {
			if rng.IntN(3) > 0 {
				tc.a.Read(tc.now, id, buf)
			} else if l, _, err := tc.a.Borrow(tc.now, id); err == nil {
				tc.a.Return(l)
			}
		}
	case 5:
		tc.a.rest()
	default:
		var packet []written
		for range 1 + rng.IntN(4) {
			packet = append(packet, p.chunk(cum))
		}
		tc.write(packet...)
	}
	tc.drain()
}

func (p *anyPeer) number(id uint16, kind int) wire.MID {
	return wire.MID(p.base[id][kind] - 1 + p.rng.IntN(p.numbers))
}

func (p *anyPeer) chunk(cum int) iData {
	rng := p.rng
	id, kind := uint16(rng.IntN(p.streams)), rng.IntN(2)
	if rng.IntN(6) == 0 {
		p.base[id][kind]++
	}
	d := iData{
		tsn: cum + 1 + rng.IntN(p.span), sid: id, mid: p.number(id, kind), fsn: wire.FSN(rng.IntN(5)),
		flags: wire.DataFlags(rng.IntN(4)), payload: string(payload(1 + rng.IntN(1+rng.IntN(1100)))),
	}
	if d.flags&wire.FlagBegin != 0 {
		d.fsn = 0
	}
	if kind == 1 {
		d.flags |= wire.FlagUnordered
	}
	if rng.IntN(3) == 0 {
		d.tsn = cum + 1
	}
	return d
}
