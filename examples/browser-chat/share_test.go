package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// offerFile offers size bytes and returns the id of the file.
func (g *guest) offerFile(size int64) string {
	g.t.Helper()
	g.ask(request{Type: "offer", Name: "../a.bin", Size: size, Ref: "o"})
	f := g.want("entry", func(e event) bool { return e.Entry.Kind == "file" }).Entry.File
	if f.Name != "a.bin" || f.Size != size {
		g.t.Fatalf("file %+v", f)
	}
	return f.ID
}

func digest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

func control(t *testing.T, p *memPipe, c fileControl) {
	t.Helper()
	if err := p.WriteMessage(t.Context(), encode(c), true); err != nil {
		t.Fatal(err)
	}
}

// sendAll answers a call: data in chunks, then the end.
func (g *guest) sendAll(p *memPipe, data []byte) {
	whole := data
	for len(data) > 0 {
		n := min(chunkSize, len(data))
		if p.WriteMessage(g.t.Context(), data[:n], false) != nil {
			return
		}
		data = data[n:]
	}
	p.WriteMessage(g.t.Context(), encode(fileControl{End: &fileEnd{int64(len(whole)), digest(whole)}}), true)
}

// taken is what a receiver got.
type taken struct {
	data  []byte
	end   *fileEnd
	abort string
}

// take reads a file up to its end, an abort or the end of the channel.
// acknowledge decides after how many bytes it stops to acknowledge.
func take(ctx context.Context, p *memPipe, acknowledge int) (got taken) {
	for {
		b, isText, err := p.ReadMessage(ctx)
		if err != nil {
			return got
		}
		if !isText {
			got.data = append(got.data, b...)
			if len(got.data) <= acknowledge {
				p.WriteMessage(ctx, encode(fileControl{Ack: int64(len(got.data))}), true)
			}
			continue
		}
		var c fileControl
		json.Unmarshal(b, &c)
		got.end, got.abort = c.End, c.Abort
		return got
	}
}

func testData(n int) []byte {
	return bytes.Repeat([]byte("0123456789abcdef!"), n/17+1)[:n]
}

func TestFilePassesToAllWhoAccepted(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob, cat := enter(t, r, "ann"), enter(t, r, "bob"), enter(t, r, "cat")
		data := testData(5 << 20)
		id := ann.offerFile(int64(len(data)))
		label := labelFile + id

		out := []*memPipe{bob.open(label, 4), cat.open(label, 4)}
		ann.want("send", func(e event) bool { return e.FileID == id })
		got := make(chan taken, 2)
		for _, p := range out {
			go func() { got <- take(t.Context(), p, len(data)) }()
		}
		in := ann.open(label, 128) // room for all acknowledgements
		go ann.sendAll(in, data)
		for range out {
			if g := <-got; !bytes.Equal(g.data, data) || g.end == nil || g.end.SHA256 != digest(data) {
				t.Errorf("got %d bytes, end %+v, abort %q", len(g.data), g.end, g.abort)
			}
		}
		var acked int64
		for {
			b, _, err := in.ReadMessage(t.Context())
			if err != nil {
				break
			}
			c, _ := parseFileControl(b)
			acked = c.Ack
		}
		if acked != int64(len(data)) {
			t.Errorf("acknowledged %d", acked)
		}
		control(t, out[0], fileControl{Receipt: &fileVerdict{OK: true, SHA256: digest(data)}})
		control(t, out[1], fileControl{Receipt: &fileVerdict{Note: "disk\nfull"}})
		rec := map[string]receipt{}
		for range out {
			e := ann.want("receipt", nil)
			rec[e.Receipt.Nick] = *e.Receipt
		}
		if b := rec["bob"]; !b.OK || b.SHA256 != digest(data) || b.File != id {
			t.Errorf("receipt %+v", b)
		}
		if c := rec["cat"]; c.OK || c.Note != "disk full" {
			t.Errorf("receipt %+v", c)
		}
		if _, _, err := out[0].ReadMessage(t.Context()); err == nil {
			t.Error("the channel stays open after the receipt")
		}
	})
}

func TestSlowestReceiverSetsThePaceAndAStalledOneIsDropped(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob, cat := enter(t, r, "ann"), enter(t, r, "bob"), enter(t, r, "cat")
		data := testData(4 << 20)
		label := labelFile + ann.offerFile(int64(len(data)))
		good, stalls := bob.open(label, 64), cat.open(label, 64)
		ann.want("send", nil)
		bobGot, catGot := make(chan taken, 1), make(chan taken, 1)
		go func() { bobGot <- take(t.Context(), good, len(data)) }()
		go func() { catGot <- take(t.Context(), stalls, 0) }()
		in := ann.open(label, 128)
		start := time.Now()
		go ann.sendAll(in, data)

		synctest.Wait() // the stalled one holds everybody up, within bounds
		select {
		case <-bobGot:
			t.Fatal("the transfer ran past a receiver that does not acknowledge")
		default:
		}
		c, b := <-catGot, <-bobGot
		if d := time.Since(start); d != stallTimeout {
			t.Errorf("dropped after %v", d)
		}
		if len(c.data) > fileWindow || !strings.HasPrefix(c.abort, "No progress") {
			t.Errorf("stalled receiver: %d bytes, abort %q", len(c.data), c.abort)
		}
		if !bytes.Equal(b.data, data) {
			t.Errorf("good receiver: %d bytes, abort %q", len(b.data), b.abort)
		}
		ann.want("receipt", func(e event) bool { return e.Receipt.Nick == "cat" && !e.Receipt.OK })
	})
}

func TestReceiverThatDiesIsDropped(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob, cat := enter(t, r, "ann"), enter(t, r, "bob"), enter(t, r, "cat")
		data := testData(3 << 20)
		label := labelFile + ann.offerFile(int64(len(data)))
		good := bob.open(label, 1)
		cat.open(label, 1)
		ann.want("send", nil)
		in := ann.open(label, 128)
		go ann.sendAll(in, data)
		synctest.Wait()
		cat.cut()
		if g := take(t.Context(), good, len(data)); !bytes.Equal(g.data, data) {
			t.Errorf("%d bytes, abort %q", len(g.data), g.abort)
		}
	})
}

func TestLateReceiverGetsARunOfItsOwn(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob, cat := enter(t, r, "ann"), enter(t, r, "bob"), enter(t, r, "cat")
		data := testData(100_000)
		label := labelFile + ann.offerFile(int64(len(data)))
		first := bob.open(label, 64)
		ann.want("send", nil)
		in := ann.open(label, 64)
		synctest.Wait()
		late := cat.open(label, 64)
		go ann.sendAll(in, data)
		if g := take(t.Context(), first, len(data)); !bytes.Equal(g.data, data) {
			t.Fatalf("%d bytes, abort %q", len(g.data), g.abort)
		}
		ann.want("send", nil)
		again := ann.open(label, 64)
		go ann.sendAll(again, data)
		if g := take(t.Context(), late, len(data)); !bytes.Equal(g.data, data) {
			t.Errorf("%d bytes, abort %q", len(g.data), g.abort)
		}
	})
}

func TestTransfersThatCannotBe(t *testing.T) {
	aborted := func(t *testing.T, p *memPipe, want string) {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		defer cancel()
		if g := take(ctx, p, 0); !strings.Contains(g.abort, want) {
			t.Errorf("abort %q, want %q", g.abort, want)
		}
	}
	type scene struct {
		ann, bob *guest
		label    string
	}
	for _, c := range []struct {
		desc string
		act  func(t *testing.T, s scene)
	}{
		{"no such file", func(t *testing.T, s scene) { aborted(t, s.bob.open("file:x", 1), "no longer on offer") }},
		{"nobody asked", func(t *testing.T, s scene) { aborted(t, s.ann.open(s.label, 1), "Nobody asked") }},
		{"sender does not answer", func(t *testing.T, s scene) { aborted(t, s.bob.open(s.label, 1), "does not answer") }},
		{"sender is away", func(t *testing.T, s scene) {
			s.ann.cut()
			synctest.Wait()
			aborted(t, s.bob.open(s.label, 1), "connection is lost")
		}},
		{"sender dies", func(t *testing.T, s scene) {
			p := s.bob.open(s.label, 1)
			s.ann.want("send", nil)
			s.ann.open(s.label, 1)
			s.ann.cut()
			aborted(t, p, "sender stopped")
		}},
		{"sender withdraws while others wait", func(t *testing.T, s scene) {
			p := s.bob.open(s.label, 1)
			s.ann.ask(request{Type: "withdraw", ID: strings.TrimPrefix(s.label, labelFile)})
			aborted(t, p, "no longer on offer")
			s.bob.want("gone", nil)
		}},
		{"withdrawn by somebody else", func(t *testing.T, s scene) {
			s.bob.ask(request{Type: "withdraw", ID: strings.TrimPrefix(s.label, labelFile)})
			s.bob.drain()
			s.bob.open(s.label, 1)
			s.ann.want("send", nil)
		}},
		{"too many bytes", func(t *testing.T, s scene) {
			p := s.bob.open(s.label, 8)
			s.ann.want("send", nil)
			in := s.ann.open(s.label, 1)
			go in.WriteMessage(t.Context(), make([]byte, 1001), false)
			aborted(t, p, "has changed")
			aborted(t, in, "has changed")
		}},
		{"too few bytes", func(t *testing.T, s scene) {
			p := s.bob.open(s.label, 8)
			s.ann.want("send", nil)
			go s.ann.sendAll(s.ann.open(s.label, 1), make([]byte, 999))
			aborted(t, p, "has changed")
		}},
		{"nobody receives", func(t *testing.T, s scene) {
			p := s.bob.open(s.label, 1)
			s.ann.want("send", nil)
			in := s.ann.open(s.label, 1)
			p.Close()
			go s.ann.sendAll(in, make([]byte, 1000))
			aborted(t, in, "Nobody receives")
		}},
		{"too many at once", func(t *testing.T, s scene) {
			for range maxTakes {
				s.bob.open(s.label, 1)
			}
			aborted(t, s.bob.open(s.label, 1), "too many")
		}},
		{"garbage", func(t *testing.T, s scene) {
			p := s.bob.open(s.label, 1)
			p.WriteMessage(t.Context(), []byte("{"), true)
			aborted(t, p, "Not in the protocol")
		}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			inRoom(t, config{}, func(t *testing.T, r *room) {
				s := scene{ann: enter(t, r, "ann"), bob: enter(t, r, "bob")}
				s.label = labelFile + s.ann.offerFile(1000)
				c.act(t, s)
			})
		})
	}
}

func TestOffersAreBounded(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann := enter(t, r, "ann")
		for range maxHeld {
			ann.offerFile(1)
			netsim.Elapse(time.Second)
		}
		ann.ask(request{Type: "offer", Name: "x", Size: 1, Ref: "last"})
		if e := ann.want("problem", nil); e.Code != "held" || e.Ref != "last" {
			t.Errorf("problem %+v", e)
		}
	})
}
