package datachannel

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// A message of the greatest size is taken, one byte more closes the channel with
// an error, and what a larger one takes of memory is bounded (8831-7-a, w3c-sctp-b).
// Other channels go on.
func TestMaxMessageSize(t *testing.T) {
	for _, face := range []string{"callback", "blocking", "nobody"} {
		t.Run(face, func(t *testing.T) {
			hostile(t, Config{MaxMessageSize: 100000}, true, sctp.Config{SendBuffer: 16 << 20}, func(t *testing.T, s *Session, r *rawPeer) {
				r.sendOpen(1, dcep.Open{Label: "victim"})
				r.sendOpen(3, dcep.Open{Label: "other"})
				ch, other := r.accept(s), r.accept(s)
				r.wantAck(1)
				var j journal
				if face == "callback" {
					j.watch(ch)
				} else {
					ch.OnError(func(err error) { j.add("error %v", err.(*RTCError).Detail) })
					ch.OnClosing(func() { j.add("closing %v", ch.ReadyState()) })
					ch.OnClose(func() { j.add("close %v", ch.ReadyState()) })
				}
				largest := pattern(100000, 0)
				r.send(1, dcep.PPIDBinary, largest)
				switch face {
				case "callback":
					j.want(t, "open open", "message "+string(largest[:20]))
				case "blocking":
					wantMessage(t, ch, string(largest), false)
				default:
					settle()
				}
				r.send(1, dcep.PPIDBinary, pattern(100001, 0))
				r.send(1, dcep.PPIDBinary, make([]byte, 8<<20))
				check(t, r.conn.ResetStreams(1))
				var failure *RTCError
				switch face {
				case "blocking":
					if _, err := ch.ReadMessage(background); !errors.As(err, &failure) || failure.Detail != DataChannelFailure {
						t.Errorf("ReadMessage: %v", err)
					}
				case "nobody":
					// It stays in the receive window: the application has to close.
					settle()
					if n := s.Stats().SCTP.ReceiveBuffered; n < 200000 || n > 3<<20 {
						t.Errorf("%d bytes are buffered", n)
					}
					wantState(t, ch, Open)
					ch.Close()
				}
				netsim.Elapse(time.Minute)
				if face == "nobody" {
					j.want(t, "close closed")
				} else {
					j.want(t, "error data-channel-failure", "closing closing", "close closed")
				}
				r.wantResets(1)
				if s.Stats().SCTP.ReceiveBuffered != 0 || len(s.streams) != 1 {
					t.Errorf("%d bytes and %d streams remain", s.Stats().SCTP.ReceiveBuffered, len(s.streams))
				}
				r.send(3, dcep.PPIDString, []byte("works"))
				wantMessage(t, other, "works", true)
			})
		})
	}
}

// A message larger than the receive buffer arrives (PIONS-5), also on several
// channels at once.
func TestMessageLargerThanReceiveBuffer(t *testing.T) {
	cfg := setup{
		b:       Config{MaxMessageSize: 1 << 20, SCTP: sctp.Config{ReceiveBuffer: 64 << 10}},
		paramsA: Params{RemoteMaxMessageSize: 1 << 20},
	}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		var from, to []*Channel
		for range 4 {
			a, b := p.open("", nil)
			from, to = append(from, a), append(to, b)
		}
		for i, a := range from {
			check(t, a.Send(pattern(400000, byte(i))))
		}
		done := make(chan bool)
		for i, b := range to {
			go func() {
				m, err := b.ReadMessage(background)
				done <- err == nil && bytes.Equal(m.Data, pattern(400000, byte(i)))
			}()
		}
		for range to {
			if !<-done {
				t.Error("a message is damaged")
			}
		}
	})
}

// What a peer begins to send on many channels is bounded over all of them.
func TestTooManyPieces(t *testing.T) {
	cfg := Config{SCTP: sctp.Config{ReceiveBuffer: 8192}}
	hostile(t, cfg, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		r.sendOpen(1, dcep.Open{Label: "a"})
		r.sendOpen(3, dcep.Open{Label: "b"})
		a, b := r.accept(s), r.accept(s)
		s.lock()
		s.recv.pieces = s.maxPieces() - 30_000
		s.unlock()
		r.send(1, dcep.PPIDBinary, pattern(25_000, 1))
		m := value(a.ReadMessage(background))(t)
		if !bytes.Equal(m.Data, pattern(25_000, 1)) {
			t.Error("a message below the bound is damaged")
		}
		r.send(3, dcep.PPIDBinary, pattern(50_000, 1))
		var rtc *RTCError
		if _, err := b.ReadMessage(background); !errors.As(err, &rtc) {
			t.Errorf("above it: %v", err)
		}
		r.send(1, dcep.PPIDBinary, pattern(20_000, 2))
		value(a.ReadMessage(background))(t)
		s.lock()
		defer s.unlock()
		if s.recv.pieces != s.maxPieces()-30_000 {
			t.Errorf("%d bytes are counted", s.recv.pieces-s.maxPieces()+30_000)
		}
	})
}

// Payload protocol identifiers: the four of messages, empty ones whatever their
// content; any other closes the channel, the deprecated ones too (8831-6.6-a).
func TestReceivedPPIDs(t *testing.T) {
	for _, c := range []struct {
		ppid    uint32
		payload string
		want    string
		isText  bool
		closes  bool
	}{
		{dcep.PPIDString, "é", "é", true, false},
		{dcep.PPIDString, "a\xff\xfeb\xc3", "a\uFFFDb\uFFFD", true, false},
		{dcep.PPIDBinary, "\xff", "\xff", false, false},
		{dcep.PPIDStringEmpty, "\x00", "", true, false},
		{dcep.PPIDBinaryEmpty, "ignored", "", false, false},
		{dcep.PPIDStringEmpty, string(pattern(5000, 0)), "", true, false},
		{dcep.PPIDBinaryPartial, "part", "", false, true},
		{dcep.PPIDStringPartial, "part", "", false, true},
		{0, "x", "", false, true},
		{55, "x", "", false, true},
		{1 << 31, "x", "", false, true},
	} {
		t.Run(fmt.Sprint(c.ppid), func(t *testing.T) {
			hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
				r.sendOpen(1, dcep.Open{})
				ch := r.accept(s)
				r.wantAck(1)
				r.send(1, c.ppid, []byte(c.payload))
				if !c.closes {
					wantMessage(t, ch, c.want, c.isText)
					r.wantResets()
					return
				}
				var failure *RTCError
				if m, err := ch.ReadMessage(background); !errors.As(err, &failure) {
					t.Errorf("%+v, %v", m, err)
				}
				r.wantResets(1)
				wantState(t, ch, Closing)
				check(t, r.conn.ResetStreams(1))
				settle()
				wantState(t, ch, Closed)
			})
		})
	}
}

// What nobody reads stays in the association: the receive window closes, the
// sender waits, and a reader gets everything, once. DCEP passes nevertheless.
func TestBackpressure(t *testing.T) {
	cfg := setup{b: Config{SCTP: sctp.Config{ReceiveBuffer: 100000}}, a: Config{SCTP: sctp.Config{SendBuffer: 100000}}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		const n = 1000
		written := make(chan int, n)
		go func() {
			for i := range n {
				if a.WriteMessage(background, pattern(5000, byte(i)), false) != nil {
					break
				}
				written <- i
			}
			close(written)
		}()
		settle()
		before := len(written)
		if before < 20 || before > 60 {
			t.Errorf("%d messages written with nobody reading", before)
		}
		// The other way there is room: DCEP does not wait for readers.
		other := value(p.b.CreateChannel("the other way", nil))(t)
		check(t, other.WriteMessage(background, []byte("hello"), true))
		wantMessage(t, p.accept(p.a), "hello", true)

		release := make(chan struct{})
		i := 0
		b.OnMessage(func(m Message) {
			if !bytes.Equal(m.Data, pattern(5000, byte(i))) {
				t.Errorf("message %d is damaged", i)
			}
			i++
			<-release
		})
		settle()
		if now := len(written); now > before+5 {
			t.Errorf("%d messages written while OnMessage blocks on the first", now)
		}
		close(release)
		netsim.Elapse(time.Minute)
		synctest.Wait()
		if i != n || len(written) != n {
			t.Errorf("%d messages of %d written, %d read", len(written), n, i)
		}
		if st := b.Stats(); st.MessagesReceived != n {
			t.Errorf("%+v", st)
		}
		wantState(t, other, Open)
	})
}

// ReadMessage: several wait at once and none is forgotten; a context ends the
// wait; OnMessage and ReadMessage exclude each other.
func TestReadMessage(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		got := make(chan string, 100)
		for range 100 {
			go func() {
				m, err := b.ReadMessage(background)
				if err != nil {
					got <- err.Error()
				} else {
					got <- string(m.Data)
				}
			}()
		}
		settle()
		for range 60 {
			check(t, a.Send([]byte("m")))
		}
		settle()
		if len(got) != 60 {
			t.Errorf("%d readers returned, want 60", len(got))
		}
		check(t, a.Close())
		settle()
		counts := map[string]int{}
		for range 100 {
			counts[<-got]++
		}
		if counts["m"] != 60 || counts["EOF"] != 40 {
			t.Errorf("%v", counts)
		}
		if _, err := b.ReadMessage(background); err != io.EOF {
			t.Error(err)
		}

		_, b = p.open("", nil)
		ctx, cancel := timeout(time.Second)
		defer cancel()
		if _, err := b.ReadMessage(ctx); err != ctx.Err() || err == nil {
			t.Error(err)
		}
		if _, err := b.ReadMessage(ctx); err != ctx.Err() {
			t.Error(err)
		}
		b.OnMessage(func(Message) {})
		var state *InvalidStateError
		if _, err := b.ReadMessage(background); !errors.As(err, &state) {
			t.Error(err)
		}
		if _, err := b.Read(make([]byte, 1)); !errors.As(err, &state) {
			t.Error(err)
		}
		b.OnMessage(nil)
		go b.Close()
		if _, err := b.ReadMessage(background); !errors.As(err, &state) {
			t.Error(err)
		}
	})
}

// A reader that waits before the channel is connected gets the first message.
func TestReadBeforeConnected(t *testing.T) {
	var got chan Message
	bubble(t, setup{before: func(p *pair) {
		got = make(chan Message, 1)
		a, _ := p.negotiate(0, Init{})
		go func() {
			m, _ := a.ReadMessage(background)
			got <- m
		}()
	}}, func(t *testing.T, p *pair) {
		check(t, p.b.streams[0].ch.SendText("first"))
		if m := <-got; string(m.Data) != "first" {
			t.Errorf("%+v", m)
		}
	})
}

// Receiving allocates the message, and what the driver does.
func TestReceiveAllocations(t *testing.T) {
	if raceDetector {
		t.Skip("the race detector allocates")
	}
	hostile(t, Config{}, true, sctp.Config{}, func(t *testing.T, s *Session, r *rawPeer) {
		ch := value(s.CreateChannel("", &Init{Negotiated: true, ID: ptr[uint16](2)}))(t)
		buf := make([]byte, 2000)
		n := 0
		fill := func() {
			for range 101 {
				r.send(2, dcep.PPIDBinary, buf[:1000])
			}
			settle()
		}
		fill()
		if got := testing.AllocsPerRun(100, func() {
			m, err := ch.ReadMessage(background)
			check(t, err)
			n += len(m.Data)
		}); got > 1 {
			t.Errorf("ReadMessage allocates %v, want the message alone", got)
		}
		fill()
		if got := testing.AllocsPerRun(100, func() {
			k, err := ch.Read(buf)
			check(t, err)
			n += k
		}); got > 0 {
			t.Errorf("Read allocates %v", got)
		}
		if n != 202*1000 {
			t.Errorf("%d bytes", n)
		}
	})
}

// Every ReadMessage that waits returns when OnMessage is set.
func TestReadersGiveWay(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		_, b := p.open("", nil)
		results := make(chan error, 3)
		for range 3 {
			go func() {
				_, err := b.ReadMessage(background)
				results <- err
			}()
		}
		settle()
		b.OnMessage(func(Message) {})
		settle()
		for range 3 {
			select {
			case err := <-results:
				var state *InvalidStateError
				if !errors.As(err, &state) {
					t.Error(err)
				}
			default:
				t.Error("a reader waits for what OnMessage takes")
			}
		}
	})
}
