package sctp

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// TestReassembly delivers fragments that come in any order, with every one sent
// twice. // 9260-6.9-a 9260-6.6-a
func TestReassembly(t *testing.T) {
	parts := []data{
		{tsn: 0, sid: 1, ssn: 0, flags: wire.FlagBegin, payload: "a1"},
		{tsn: 1, sid: 1, ssn: 0, payload: "a2"},
		{tsn: 2, sid: 1, ssn: 0, flags: wire.FlagEnd, payload: "a3"},
		{tsn: 3, sid: 1, ssn: 1, flags: whole, payload: "b"},
		{tsn: 4, sid: 2, ssn: 0, flags: wire.FlagBegin, payload: "c1"},
		{tsn: 5, sid: 2, ssn: 0, flags: wire.FlagEnd, payload: "c2"},
		{tsn: 6, sid: 1, ssn: 0, flags: wire.FlagBegin | wire.FlagUnordered, payload: "d1"},
		{tsn: 7, sid: 1, ssn: 0, flags: wire.FlagEnd | wire.FlagUnordered, payload: "d2"},
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for range 2000 {
		order := append(rng.Perm(len(parts)), rng.Perm(len(parts))...)
		tc := newConnected(t, Config{})
		for _, i := range order {
			tc.write(parts[i])
		}
		var got []string
		var buf [64]byte
		for {
			n, info, err := tc.a.Read(tc.now, 1, buf[:])
			if err != nil {
				break
			}
			if !info.Complete {
				t.Fatal("a piece")
			}
			got = append(got, string(buf[:n]))
		}
		ordered := slices.DeleteFunc(slices.Clone(got), func(s string) bool { return s == "d1d2" })
		if fmt.Sprint(ordered) != "[a1a2a3 b]" || len(got) != 3 {
			t.Fatalf("order %v: %q", order, got)
		}
		tc.wantRead("the other stream", 2, "c1c2")
		if tc.a.tsns.cum != tc.peerTSN.Add(7) || tc.a.in.entries != 0 || tc.a.in.bytes != 0 {
			t.Fatalf("order %v: %d entries, %d bytes left", order, tc.a.in.entries, tc.a.in.bytes)
		}
	}
}

// TestFragmentsThatDoNotBelong are never joined, whatever their TSNs say.
func TestFragmentsThatDoNotBelong(t *testing.T) {
	tests := []struct {
		desc string
		a, b data
	}{
		{"another stream", data{tsn: 0, sid: 1, flags: wire.FlagBegin, payload: "x"}, data{tsn: 1, sid: 2, flags: wire.FlagEnd, payload: "y"}},
		{"another message", data{tsn: 0, ssn: 0, flags: wire.FlagBegin, payload: "x"}, data{tsn: 1, ssn: 1, flags: wire.FlagEnd, payload: "y"}},
		{"unordered and ordered", data{tsn: 0, flags: wire.FlagBegin, payload: "x"}, data{tsn: 1, flags: wire.FlagEnd | wire.FlagUnordered, payload: "y"}},
		{"two beginnings", data{tsn: 0, flags: wire.FlagBegin, payload: "x"}, data{tsn: 1, flags: wire.FlagBegin, payload: "y"}},
		{"two ends", data{tsn: 0, flags: wire.FlagEnd, payload: "x"}, data{tsn: 1, flags: wire.FlagEnd, payload: "y"}},
	}
	for _, tt := range tests {
		for _, order := range [][]data{{tt.a, tt.b}, {tt.b, tt.a}} {
			tc := newConnected(t, Config{})
			tc.write(order[0])
			tc.write(order[1])
			for id := range uint16(3) {
				tc.wantRead(tt.desc, id)
			}
		}
	}
}

// TestInvalidStream: the chunk is acknowledged and its sender told. // 9260-6.5-a
func TestInvalidStream(t *testing.T) {
	tc := newConnected(t, Config{InboundStreams: 10})
	tc.write(data{tsn: 0, sid: 10, flags: whole, payload: "x"})
	tc.want("at once", "ERROR cause=1 info=000a0000", "SACK cum=0")
	tc.wantRead("discarded", 10)
	tc.write(data{tsn: 1, sid: 9, flags: whole, payload: "y"})
	tc.wantRead("the others go on", 9, "y")
}

// TestEmptyData ends the association. // 9260-6.2-f
func TestEmptyData(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, flags: whole})
	tc.want("told which", "ABORT cause=9 info=00000064")
	tc.wantEvent("closed", EventClosed)
}

// TestStreamsDoNotBlock each other: a gap in one holds up only its own messages. // 9260-6.6-a
func TestStreamsDoNotBlock(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 1, sid: 1, ssn: 1, flags: whole, payload: "waits"})
	tc.write(data{tsn: 2, sid: 2, ssn: 0, flags: whole, payload: "goes"})
	tc.write(data{tsn: 3, sid: 1, ssn: 7, flags: whole | wire.FlagUnordered, payload: "unordered"})
	tc.wantRead("not held up", 2, "goes")
	tc.wantRead("unordered is not either", 1, "unordered")
	tc.write(data{tsn: 0, sid: 1, ssn: 0, flags: whole, payload: "first"})
	tc.wantRead("in order", 1, "first", "waits")
}

// TestReadInPieces: a short buffer loses nothing.
func TestReadInPieces(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, flags: wire.FlagBegin, ppid: 53, payload: "hello "}, data{tsn: 1, flags: wire.FlagEnd, ppid: 53, payload: "world"})
	info, err := tc.a.Peek(0)
	if err != nil || info.Size != 11 || !info.Complete || info.PPID != 53 {
		t.Fatalf("Peek: %+v %v", info, err)
	}
	var got strings.Builder
	var buf [4]byte
	for {
		n, info, err := tc.a.Read(tc.now, 0, buf[:])
		if err != nil {
			t.Fatal(err)
		}
		got.Write(buf[:n])
		if info.Complete {
			break
		}
	}
	if got.String() != "hello world" {
		t.Fatalf("%q", got.String())
	}
	if _, err := tc.a.Peek(0); err != ErrWouldBlock {
		t.Fatal(err)
	}
}

// TestBeginningAfterGap: of a message whose beginning came in before what was sent earlier, the reader
// gets nothing yet. He could read nothing else of that stream before its end, for which there might be
// no room then. // 9260-6.9-a
func TestBeginningAfterGap(t *testing.T) {
	const gap, last = 8, 40 // gap messages of stream 1 wait for TSN 0, last begins the one in two fragments
	for _, cfg := range []Config{{ReceiveBuffer: 4096, Frugal: true}, {ReceiveBuffer: 4096}} {
		tc := newConnected(t, cfg)
		var got []string
		write := func(d data) {
			tc.write(d)
			for id := range uint16(2) {
				var buf [512]byte
				for {
					n, info, err := tc.a.Read(tc.now, id, buf[:])
					if err != nil {
						break
					}
					if !info.Complete {
						t.Fatalf("%+v: %d bytes of a message before what was sent earlier", d, n)
					}
					got = append(got, string(buf[:n]))
				}
			}
		}
		size := strings.Repeat("x", 200)
		for i := 1; i < gap; i++ {
			write(data{tsn: i, sid: 1, ssn: wire.SSN(i), flags: whole, payload: size})
		}
		write(data{tsn: last, sid: 0, flags: wire.FlagBegin | wire.FlagUnordered, payload: size})
		write(data{tsn: 0, sid: 1, flags: whole, payload: size})
		for i := gap; i < last; i++ {
			write(data{tsn: i, sid: 0, flags: whole | wire.FlagUnordered, payload: size})
		}
		write(data{tsn: last + 1, sid: 0, flags: wire.FlagEnd | wire.FlagUnordered, payload: "end"})
		if len(got) != last+1 || got[last] != size+"end" || tc.a.in.entries != 0 {
			t.Errorf("%+v: %d messages were read, %d entries left", cfg, len(got), tc.a.in.entries)
		}
	}
}

// TestReadableIsAnEdge: once until a read found the stream empty.
func TestReadableIsAnEdge(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, ssn: 0, flags: whole, payload: "a"})
	tc.wantEvent("turned readable", EventReadable)
	tc.write(data{tsn: 1, ssn: 1, flags: whole, payload: "b"})
	tc.wantNoEvent("still readable")
	tc.wantRead("both", 0, "a", "b")
	tc.write(data{tsn: 2, ssn: 2, flags: whole, payload: "c"})
	tc.wantEvent("again", EventReadable)
}

// TestLargeMessage: one larger than the receive window arrives, in pieces, and so
// do several at once (PIONS-5). // 9260-6.9-a 8831-7-a DCSCTP-limits
func TestLargeMessage(t *testing.T) {
	for _, readers := range []int{1, 4} {
		p := newPipe(t, Config{ReceiveBuffer: 64 << 10, SendBuffer: 8 << 20, HeartbeatInterval: -1})
		p.read = make([]byte, 1000)
		const size = 400_000
		got := make([]int, readers)
		for i := range readers {
			if err := p.a.Send(p.now, Message{Stream: uint16(i), Payload: payload(size)}); err != nil {
				t.Fatal(err)
			}
		}
		done := 0
		for step := 0; done < readers; step++ {
			for p.move(p.a, p.b) || p.move(p.b, p.a) {
			}
			for i := range got { // a slow reader: one piece of each stream at a time
				n, info, err := p.b.Read(p.now, uint16(i), p.read)
				if got[i] += n; err == nil && info.Complete {
					done++
				}
			}
			if held := p.b.Stats().ReceiveBuffered; held > 64<<10+1188 {
				t.Fatalf("%d bytes held", held)
			}
			if step > 100_000 {
				t.Fatalf("stuck: %v of %d bytes; a %+v; b %+v", got, size, p.a.Stats(), p.b.Stats())
			}
			if step%20 == 19 {
				p.tick()
			}
		}
		for i, n := range got {
			if n != size {
				t.Fatalf("stream %d: %d bytes", i, n)
			}
		}
	}
}

// tick goes to the next deadline of either side.
func (p *pipe) tick() {
	at, ok := p.a.Timeout()
	if u, ok2 := p.b.Timeout(); ok2 && (!ok || u.Before(at)) {
		at, ok = u, true
	}
	if ok && at.After(p.now) {
		p.now = at
	}
	p.a.HandleTimeout(p.now)
	p.b.HandleTimeout(p.now)
}

// TestTinyChunks: entries are bounded as bytes are (CVE-2019-3874 class). // 9260-12-a DCSCTP-limits
func TestTinyChunks(t *testing.T) {
	tc := newConnected(t, Config{ReceiveBuffer: 4096})
	for i := range 1000 {
		tc.write(data{tsn: 2 * i, sid: 1, flags: wire.FlagBegin | wire.FlagUnordered, payload: "x"})
	}
	if n := tc.a.in.entries; n > 2*4096/entryCost {
		t.Fatalf("%d chunks held", n)
	}
	tc.write(data{tsn: 70_000, sid: 1, flags: whole, payload: "x"})
	if tc.a.tsns.seen(tc.peerTSN.Add(70_000)) {
		t.Fatal("a TSN beyond what a gap block can report was taken")
	}
}

// TestTSNSet compares with a map.
func TestTSNSet(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 200 {
		var s tsnSet
		model := map[wire.TSN]bool{}
		base := wire.TSN(0xFFFFFFC0) // wraps
		for range 300 {
			u := base.Add(rng.IntN(128))
			switch rng.IntN(5) {
			case 0:
				s.remove(u)
				delete(model, u)
			case 1:
				if rng.IntN(10) == 0 {
					s.dropThrough(u)
					for v := range model {
						if v.AtOrBefore(u) {
							delete(model, v)
						}
					}
				}
			default:
				if s.add(u) == model[u] {
					t.Fatalf("add %d", u)
				}
				model[u] = true
			}
			n := 0
			for i, r := range s.runs {
				if r.last.Before(r.first) || i > 0 && !s.runs[i-1].last.Add(1).Before(r.first) {
					t.Fatalf("runs %v", s.runs)
				}
				n += r.last.Since(r.first) + 1
			}
			if n != len(model) {
				t.Fatalf("%d, want %d: %v", n, len(model), s.runs)
			}
			for i := range 128 {
				if v := base.Add(i); s.contains(v) != model[v] {
					t.Fatalf("contains %d", v)
				}
			}
		}
	}
}

// TestUnfinishedMessage: a message whose rest never comes, as the TSN behind it is that
// of another, does not stop its stream (dcSCTP, when a lifetime ends between two
// fragments). // 9260-3.3.1-b 9260-6.6-a
func TestUnfinishedMessage(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 0, sid: 1, ssn: 0, flags: wire.FlagBegin, payload: "half"})
	tc.write(data{tsn: 1, sid: 2, ssn: 0, flags: whole, payload: "other"})
	tc.write(data{tsn: 2, sid: 1, ssn: 1, flags: whole, payload: "next"})
	tc.wantRead("what is behind it", 1, "next")
	tc.wantRead("another stream", 2, "other")
	tc.write(data{tsn: 4, sid: 1, ssn: 3, flags: whole, payload: "later"})
	tc.wantRead("its TSN is still to come", 1)
	tc.write(data{tsn: 3, sid: 1, ssn: 2, flags: wire.FlagBegin, payload: "half"})
	tc.wantRead("and here it is, and goes no further", 1, "later")
	tc.write(data{tsn: 5, sid: 1, flags: wire.FlagBegin | wire.FlagUnordered, payload: "half"})
	tc.write(data{tsn: 6, sid: 1, ssn: 4, flags: wire.FlagBegin, payload: "wh"})
	tc.write(data{tsn: 7, sid: 1, ssn: 4, flags: wire.FlagEnd, payload: "ole"})
	tc.wantRead("a message of two fragments behind an unordered one", 1, "whole")
	if s := tc.a.Stats(); s.ReceiveBuffered != 0 {
		t.Fatalf("%d bytes are held", s.ReceiveBuffered)
	}
	if s := tc.a.invariants(tc.now); s != "" {
		t.Fatal(s)
	}
}

// TestUnfinishedMessageRead: so too when its beginning was read.
func TestUnfinishedMessageRead(t *testing.T) {
	tc := newConnected(t, Config{ReceiveBuffer: 4096})
	tc.write(data{tsn: 0, sid: 5, flags: wire.FlagBegin, payload: string(payload(1100))})
	tc.write(data{tsn: 1, sid: 5, payload: string(payload(1100))})
	tc.read(5)
	tc.write(data{tsn: 2, sid: 5, ssn: 1, flags: whole, payload: "next"})
	tc.wantRead("told", 5, ErrMessageAborted.Error(), "next")
}
