package datachannel

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"runtime/metrics"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

var messageSize = flag.Int64("message", 64<<20, "bytes of the message that TestHugeMessage streams; make huge streams 1 GiB")

// anySize is a pair between which messages have any size.
var anySize = setup{a: Config{MaxMessageSize: -1}, b: Config{MaxMessageSize: -1}}

// next returns a reader of the next message.
func next(t *testing.T, ch *Channel) *MessageReader {
	t.Helper()
	return value(ch.NextReader(background))(t)
}

// heap returns the bytes of the heap in use.
func heap() int64 {
	s := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/memory/classes/heap/unused:bytes"}}
	metrics.Read(s)
	return int64(s[0].Value.Uint64() + s[1].Value.Uint64())
}

// noise is a stream of bytes that can be compared with itself.
type noise struct{ rng *rand.ChaCha8 }

func newNoise() noise                        { return noise{rand.NewChaCha8([32]byte{1})} }
func (n noise) Read(p []byte) (int, error)   { return n.rng.Read(p) }
func (n noise) same(p []byte) bool           { q := make([]byte, len(p)); n.Read(q); return bytes.Equal(p, q) }
func (n noise) limited(size int64) io.Reader { return io.LimitReader(n, size) }

// One message, larger than any buffer, streams through both ends in little memory.
func TestHugeMessage(t *testing.T) {
	const most = 32 << 20
	size := *messageSize
	if raceDetector {
		size = 4 << 20 // it takes its time
	}
	a, b := wires(t, Config{MaxMessageSize: -1})
	from := value(a.CreateChannel("", nil))(t)
	to := value(b.Accept(background))(t)
	before, highest := heap(), int64(0)
	writing := make(chan error, 1)
	go func() {
		w, err := from.NextWriter(background, false)
		if err == nil {
			_, err = io.Copy(w, newNoise().limited(size))
			err = errors.Join(err, w.Close())
		}
		writing <- err
	}()
	r, want, got, calls := next(t, to), newNoise(), int64(0), 0
	n, err := r.WriteTo(writerFunc(func(p []byte) (int, error) {
		if !want.same(p) {
			return 0, fmt.Errorf("the message is damaged at %d", got)
		}
		got += int64(len(p))
		if calls++; calls%64 == 0 {
			highest = max(highest, heap())
		}
		return len(p), nil
	}))
	if err != nil || n != size || got != n {
		t.Errorf("%d of %d bytes, %v", n, size, err)
	}
	check(t, <-writing)
	t.Logf("%d MiB; the heap in use grew by at most %d KiB", n>>20, (highest-before)>>10)
	if highest-before > most {
		t.Errorf("the heap in use grew by %d bytes", highest-before)
	}
	if s, r := from.Stats(), to.Stats(); s.MessagesSent != 1 || r.MessagesReceived != 1 || s.BytesSent != uint64(n) || r.BytesReceived != uint64(n) {
		t.Errorf("%+v, %+v", s, r)
	}
	check(t, from.SendText("goes on"))
	wantMessage(t, to, "goes on", true)
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// wires returns two sessions, connected without delay.
func wires(t *testing.T, cfg Config) (a, b *Session) {
	wa, wb := newWires()
	a, b = NewSession(cfg), NewSession(cfg)
	check(t, b.Start(wb, Params{}))
	check(t, a.Start(wa, Params{DTLSClient: true}))
	t.Cleanup(func() {
		a.Abort("")
		b.Abort("")
		<-a.conn.Done()
		<-b.conn.Done()
	})
	return a, b
}

// Writers and readers of messages, of all sizes around what is sent at a time, one after the
// other; the bytes are those written, and a MessageReader is an io.Reader as it should be.
func TestMessageWriter(t *testing.T) {
	bubble(t, anySize, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		for _, size := range []int{0, 1, partSize - 1, partSize, partSize + 1, 2 * partSize, 3*partSize + 7, 1200 << 10} {
			for _, isText := range []bool{false, true} {
				data := pattern(size, byte(size))
				go func() {
					w := value(a.NextWriter(background, isText))(t)
					if n, err := io.Copy(w, iotest.HalfReader(bytes.NewReader(data))); n != int64(size) || err != nil {
						t.Errorf("%d, %v", n, err)
					}
					check(t, w.Close())
					if _, err := w.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
						t.Error(err)
					}
				}()
				r := next(t, b)
				if r.IsText() != isText {
					t.Errorf("text %v", r.IsText())
				}
				switch {
				case size > 1<<20 && isText:
					if got := value(io.ReadAll(iotest.OneByteReader(r)))(t); !bytes.Equal(got, data) {
						t.Errorf("%d bytes of %d", len(got), size)
					}
				default:
					check(t, iotest.TestReader(r, data))
				}
				if n, err := r.Read(make([]byte, 1)); n != 0 || err != io.EOF {
					t.Errorf("after the end: %d, %v", n, err)
				}
				if n, err := r.WriteTo(io.Discard); n != 0 || err != nil {
					t.Errorf("after the end: %d, %v", n, err)
				}
			}
		}
	})
}

// While a message is written others of its channel wait behind it, in order; those of other
// channels do not. What was sent before comes before.
func TestMessageWriterOrder(t *testing.T) {
	bubble(t, anySize, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		other, otherB := p.open("", nil)
		check(t, a.SendText("before"))
		w := value(a.NextWriter(background, false))(t)
		check(t, a.SendText("before the first part"))
		value(w.Write(make([]byte, 3*partSize)))(t)
		check(t, a.SendText("behind"))
		written := make(chan error, 1)
		go func() { written <- a.WriteMessage(background, []byte("behind that"), true) }()
		check(t, other.SendText("beside"))
		wantMessage(t, otherB, "beside", true)
		wantMessage(t, b, "before", true)
		wantMessage(t, b, "before the first part", true)
		r := next(t, b)
		if n, err := io.ReadFull(r, make([]byte, 2*partSize)); err != nil {
			t.Errorf("%d bytes, %v", n, err) // before the end is written
		}
		if n := a.BufferedAmount(); n != len("behind"+"behind that") {
			t.Errorf("%d bytes are buffered", n)
		}
		settle()
		if len(written) > 0 {
			t.Error("WriteMessage did not wait")
		}
		check(t, w.Close())
		if n, err := io.Copy(io.Discard, r); n != partSize || err != nil {
			t.Errorf("%d bytes, %v", n, err)
		}
		check(t, <-written)
		wantMessage(t, b, "behind", true)
		wantMessage(t, b, "behind that", true)
	})
}

// Where messages are not interleaved, one that is written bit by bit holds up those of other
// channels; these do not take the room that it needs to end.
func TestMessageWriterHoldsUpOthers(t *testing.T) {
	for _, buffer := range []int{4 * partSize, partSize / 2} { // the other messages are larger than that
		holdsUpOthers(t, buffer, 3*partSize/4)
	}
}

func holdsUpOthers(t *testing.T, buffer, size int) {
	cfg := anySize
	cfg.a.SCTP.NoInterleaving, cfg.a.SCTP.SendBuffer = true, buffer
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		other, otherB := p.open("", nil)
		w := value(a.NextWriter(background, false))(t)
		value(w.Write(make([]byte, 2*partSize)))(t)
		const count = 10
		for range count {
			check(t, other.Send(make([]byte, size)))
		}
		settle()
		read := make(chan int64, 1)
		go func() {
			n, err := io.Copy(io.Discard, next(t, b))
			check(t, err)
			read <- n
		}()
		written := make(chan error, 1)
		go func() {
			_, err := w.Write(make([]byte, 20*partSize))
			written <- errors.Join(err, w.Close())
		}()
		netsim.Elapse(10 * time.Second)
		if len(written) == 0 || len(read) == 0 {
			t.Fatal("the message does not come to its end")
		}
		check(t, <-written)
		if n := <-read; n != 22*partSize {
			t.Errorf("%d bytes", n)
		}
		for range count {
			if m := value(otherB.ReadMessage(background))(t); len(m.Data) != size {
				t.Errorf("%d bytes", len(m.Data))
			}
		}
	})
}

// A message that fails halfway is given up on both ends, and the channel goes on.
func TestMessageWriterFails(t *testing.T) {
	cfg := anySize
	cfg.paramsA, cfg.paramsB = Params{RemoteMaxMessageSize: 10 * partSize}, Params{RemoteMaxMessageSize: 10 * partSize}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		var typ *TypeError
		for desc, fail := range map[string]func(w *MessageWriter, cancel context.CancelFunc) error{
			"aborted": func(w *MessageWriter, _ context.CancelFunc) error { w.Abort(); return nil },
			"too large": func(w *MessageWriter, _ context.CancelFunc) error {
				_, err := w.Write(make([]byte, 9*partSize))
				return err
			},
			"no UTF-8": func(w *MessageWriter, _ context.CancelFunc) error {
				_, err := w.Write([]byte("\xff"))
				return errors.Join(err, w.Close())
			},
			"context": func(w *MessageWriter, cancel context.CancelFunc) error {
				cancel()
				_, err := w.Write(make([]byte, 3*partSize))
				return err
			},
		} {
			ctx, cancel := context.WithCancel(background)
			defer cancel()
			w := value(a.NextWriter(ctx, true))(t)
			value(w.Write(bytes.Repeat([]byte("x"), 2*partSize)))(t)
			check(t, a.SendText("the next"))
			r := next(t, b)
			value(io.ReadFull(r, make([]byte, 1000)))(t)
			err := fail(w, cancel)
			if (desc == "too large" || desc == "no UTF-8") && !errors.As(err, &typ) || desc == "context" && !errors.Is(err, context.Canceled) {
				t.Errorf("%s: %v", desc, err)
			}
			if desc != "aborted" && w.Close() == nil {
				t.Errorf("%s: Close has no error", desc)
			}
			var op *OperationError
			if _, err := io.Copy(io.Discard, r); !errors.As(err, &op) || !errors.Is(err, sctp.ErrMessageAborted) {
				t.Errorf("%s: reading: %v", desc, err)
			}
			wantMessage(t, b, "the next", true)
		}
		if a.out.open || a.BufferedAmount() != 0 {
			t.Error("something is left")
		}
	})
}

// Runes that lie across the parts of a text stay whole.
func TestMessageWriterText(t *testing.T) {
	text := bytes.Repeat([]byte("h\u00e9\u2713\U0001F600"), 30000)
	bubble(t, anySize, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		go func() {
			w := value(a.NextWriter(background, true))(t)
			value(io.Copy(struct{ io.Writer }{w}, iotest.OneByteReader(bytes.NewReader(text))))(t)
			check(t, w.Close())
		}()
		wantMessage(t, b, string(text), true)
	})
	for text, want := range map[string]int{"": 0, "ab": 2, "a\u00e9": 3, "a\xc3": 1, "\U0001F600"[:3]: 0, "a\u2713"[:3]: 1, "\xff": 1, "a\x80\x80\x80\x80": 5} {
		if got := wholeRunes([]byte(text)); got != want {
			t.Errorf("wholeRunes(%q) = %d, want %d", text, got, want)
		}
	}
}

// Closing the channel, from either side, ends a message halfway; so does the end of the association.
func TestMessageWriterClosed(t *testing.T) {
	for desc, end := range map[string]func(p *pair, a, b *Channel){
		"writer": func(_ *pair, a, _ *Channel) { a.Close() },
		"reader": func(_ *pair, _, b *Channel) { b.Close() },
		"abort":  func(p *pair, _, _ *Channel) { p.a.Abort("enough") },
		"end":    func(p *pair, _, _ *Channel) { go p.a.Close() },
		"peer":   func(p *pair, _, _ *Channel) { go p.b.Close() },
	} {
		t.Run(desc, func(t *testing.T) {
			bubble(t, anySize, func(t *testing.T, p *pair) {
				a, b := p.open("", nil)
				w := value(a.NextWriter(background, false))(t)
				value(w.Write(make([]byte, 2*partSize)))(t)
				check(t, a.SendText("behind"))
				r := next(t, b)
				value(r.Read(make([]byte, 10)))(t)
				end(p, a, b)
				netsim.Elapse(time.Minute)
				if _, err := w.Write(make([]byte, 2*partSize)); err == nil {
					t.Error("writing goes on")
				}
				if w.Close() == nil {
					t.Error("the message ends")
				}
				if _, err := io.Copy(io.Discard, r); err == nil || err == io.EOF {
					t.Errorf("reading: %v", err)
				}
				if _, err := r.Read(make([]byte, 1)); err == nil || err == io.EOF {
					t.Errorf("reading again: %v", err)
				}
				wantState(t, a, Closed)
				wantState(t, b, Closed)
				if desc == "writer" {
					wantMessage(t, b, "behind", true)
				}
			})
		})
	}
}

// A message on a channel that may lose messages is sent whole; NextReader reads what is skipped, left and
// cut as documented, in the order of messages.
func TestNextReader(t *testing.T) {
	bubble(t, setup{paramsA: Params{RemoteMaxMessageSize: -1}}, func(t *testing.T, p *pair) {
		a, b := p.open("", &Init{MaxRetransmits: ptr[uint16](3)})
		for i := range 4 {
			w := value(a.NextWriter(background, false))(t)
			value(w.Write(pattern(30000, byte(i))))(t)
			check(t, w.Close())
		}
		settle()
		first := next(t, b)
		value(io.ReadFull(first, make([]byte, 10)))(t)
		second := next(t, b)
		var state *InvalidStateError
		if _, err := first.Read(make([]byte, 1)); !errors.As(err, &state) {
			t.Errorf("a message that was left: %v", err)
		}
		if _, err := first.WriteTo(io.Discard); !errors.As(err, &state) {
			t.Errorf("a message that was left: %v", err)
		}
		value(io.ReadFull(second, make([]byte, 10000)))(t)
		wantMessage(t, b, string(pattern(30000, 1)[10000:]), false) // the rest
		buf := make([]byte, 10000)
		value(io.ReadFull(b, buf))(t)
		third := next(t, b)
		if got := value(io.ReadAll(third))(t); !bytes.Equal(got, pattern(30000, 3)) {
			t.Errorf("%d bytes", len(got))
		}
		if n, err := third.Read(nil); n != 0 || err != nil {
			t.Errorf("%d, %v", n, err)
		}
		ctx, cancel := timeout(time.Second)
		defer cancel()
		if _, err := b.NextReader(ctx); err != ctx.Err() || err == nil {
			t.Error(err)
		}
		check(t, a.Close())
		if _, err := b.NextReader(background); err != io.EOF {
			t.Error(err)
		}
		if _, err := a.NextWriter(background, false); !errors.As(err, &state) {
			t.Error(err)
		}
	})
}

// A reader whose context ends can go on with nothing; WriteTo says what the Writer does.
func TestMessageReaderStops(t *testing.T) {
	bubble(t, anySize, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		w := value(a.NextWriter(background, false))(t)
		value(w.Write(make([]byte, 2*partSize)))(t)
		ctx, cancel := timeout(time.Minute)
		defer cancel()
		r := value(b.NextReader(ctx))(t)
		broken := errors.New("broken")
		if _, err := r.WriteTo(writerFunc(func(p []byte) (int, error) { return len(p) / 2, broken })); err != broken {
			t.Error(err)
		}
		if _, err := r.WriteTo(writerFunc(func(p []byte) (int, error) { return len(p) / 2, nil })); err != io.ErrShortWrite {
			t.Error(err)
		}
		if _, err := r.WriteTo(io.Discard); err != context.DeadlineExceeded {
			t.Error(err)
		}
		if _, err := r.Read(make([]byte, 1)); err != context.DeadlineExceeded {
			t.Error(err)
		}
		w.Abort()
		w.Abort()
		synctest.Wait()
	})
}

// Of a message that is too large as much is read as is allowed, then the channel fails; one in
// memory of a hostile peer is bounded without NextReader, too.
func TestMessageTooLargeInParts(t *testing.T) {
	hostile(t, Config{MaxMessageSize: 100_000, SCTP: sctp.Config{ReceiveBuffer: 64 << 10}}, true, sctp.Config{SendBuffer: 16 << 20}, func(t *testing.T, s *Session, r *rawPeer) {
		r.sendOpen(1, dcep.Open{})
		ch := r.accept(s)
		r.wantAck(1)
		r.send(1, dcep.PPIDBinary, make([]byte, 1<<20))
		n, err := io.Copy(io.Discard, next(t, ch))
		var rtc *RTCError
		if n > 100_000 || n < 30_000 || !errors.As(err, &rtc) {
			t.Errorf("%d bytes, %v", n, err)
		}
		r.wantResets(1)
	})
}

// WriteTo hands out a message where it was received: nothing is allocated but the reader.
func TestNextReaderAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	a, b := wires(t, Config{SCTP: sctp.Config{HeartbeatInterval: -1}})
	from := value(a.CreateChannel("", nil))(t)
	to := value(b.Accept(background))(t)
	for _, size := range []int{100, 1 << 10, 16 << 10} {
		data, got := make([]byte, size), 0
		sink := writerFunc(func(p []byte) (int, error) { got += len(p); return len(p), nil })
		var w io.Writer = sink
		round := func() {
			check(t, from.WriteMessage(background, data, false))
			r, err := to.NextReader(background)
			check(t, err)
			_, err = r.WriteTo(w)
			check(t, err)
		}
		for range 50 {
			round()
		}
		got = 0
		if n := testing.AllocsPerRun(100, round); n > 1 {
			t.Errorf("%d bytes: %v allocations", size, n)
		}
		if got != 101*size {
			t.Errorf("%d bytes of %d", got, 101*size)
		}
	}
}

// A MessageWriter takes no more of a small send buffer than there is, and hands over parts that fit
// into it.
func TestMessageWriterSmallBuffer(t *testing.T) {
	small := sctp.SmallConfig()
	cfg := setup{a: Config{MaxMessageSize: -1, SCTP: small}, b: Config{MaxMessageSize: -1}, link: slow}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		for _, isText := range []bool{false, true} {
			data := pattern(100_000, 1)
			written := make(chan error, 1)
			most := 0
			go func() {
				w, err := a.NextWriter(background, isText)
				for rest := data; err == nil && len(rest) > 0; rest = rest[1000:] {
					_, err = w.Write(rest[:1000])
					most = max(most, cap(w.buf), p.a.Stats().SCTP.SendBuffered)
				}
				written <- errors.Join(err, w.Close())
			}()
			if got := value(io.ReadAll(next(t, b)))(t); !bytes.Equal(got, data) {
				t.Errorf("text %v: %d bytes of %d", isText, len(got), len(data))
			}
			check(t, <-written)
			if most > small.SendBuffer {
				t.Errorf("text %v: %d bytes were held at a time", isText, most)
			}
		}
	})
}
