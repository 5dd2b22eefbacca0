package sctpnet

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

func open(t *testing.T, c *Conn, id uint16) *Stream {
	t.Helper()
	s, err := c.OpenStream(id)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func accept(t *testing.T, c *Conn) *Stream {
	t.Helper()
	s, err := c.AcceptStream(background)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func send(t *testing.T, s *Stream, text string) {
	t.Helper()
	if n, err := s.Write([]byte(text)); n != len(text) || err != nil {
		t.Fatalf("Write: %d, %v", n, err)
	}
}

func wantRead(t *testing.T, s *Stream, want string) {
	t.Helper()
	buf := make([]byte, 1000)
	n, err := s.Read(buf)
	if err != nil || string(buf[:n]) != want {
		t.Fatalf("Read: %q, %v, want %q", buf[:n], err, want)
	}
}

func TestStreamReadWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		a := open(t, p.a, 4)
		if _, err := p.a.OpenStream(4); err != ErrStreamInUse {
			t.Errorf("opened twice: %v", err)
		}
		a.SetWriteOptions(WriteOptions{PPID: 51, Unordered: true})
		send(t, a, "hello")
		send(t, a, "world")
		b := accept(t, p.b)
		if b.ID() != 4 || b.Conn() != p.b {
			t.Errorf("accepted stream %d", b.ID())
		}
		if _, err := p.b.OpenStream(4); err != ErrStreamInUse {
			t.Errorf("opened after it was accepted: %v", err)
		}
		if info, err := p.b.Peek(4); err != nil || info.PPID != 51 || !info.Unordered || info.Size != 5 || !info.Complete {
			t.Errorf("Peek: %+v, %v", info, err)
		}
		// A short buffer gets the message in pieces, never two at once.
		if n, err := b.Read(nil); n != 0 || err != nil {
			t.Errorf("Read into nothing: %d, %v", n, err)
		}
		buf := make([]byte, 3)
		for _, want := range []string{"hel", "lo", "wor", "ld"} {
			if n, err := b.Read(buf); err != nil || string(buf[:n]) != want {
				t.Errorf("got %q, %v, want %q", buf[:n], err, want)
			}
		}
		if _, err := a.Write(nil); err != sctp.ErrEmptyMessage {
			t.Errorf("empty Write: %v", err)
		}
		// The stream goes both ways, with the peer's own options.
		send(t, b, "back")
		n, info, err := a.ReadMessage(background, buf)
		if n != 3 || err != nil || info.Complete || info.PPID != 0 || info.Unordered {
			t.Errorf("ReadMessage: %d, %+v, %v", n, info, err)
		}
		wantRead(t, a, "k")
		if err := b.WriteMessage(background, sctp.Message{Stream: 99, PPID: 7, Payload: []byte("on 4")}); err != nil {
			t.Fatal(err)
		}
		wantRead(t, a, "on 4")
	})
}

func TestStreamBufferedAmount(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		s := open(t, p.a, 1)
		if s.LocalAddr() != p.pa.LocalAddr() || s.RemoteAddr() != p.pa.RemoteAddr() {
			t.Error("addresses are not those of the transport")
		}
		send(t, s, string(make([]byte, 100000)))
		if n := s.BufferedAmount(); n <= 0 || n >= 100000 || n != p.a.BufferedAmount(1) {
			t.Errorf("%d and %d bytes buffered", n, p.a.BufferedAmount(1))
		}
		read(t, p.b, 1)
		if n := s.BufferedAmount(); n != 0 {
			t.Errorf("%d bytes buffered after all was read", n)
		}
	})
}

func TestStreamDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{SendBuffer: 1000}})
		defer p.end()
		s := open(t, p.a, 1)
		p.pa.SetConditions(down)
		write(t, p.a, message(1, 1000, 0))
		for _, tc := range []struct {
			desc string
			set  func(time.Time) error
			call func() error
		}{
			{"read", s.SetReadDeadline, func() error { _, err := s.Read(make([]byte, 1)); return err }},
			{"read message", s.SetReadDeadline, func() error { _, _, err := s.ReadMessage(background, make([]byte, 1)); return err }},
			{"write", s.SetWriteDeadline, func() error { _, err := s.Write([]byte{1}); return err }},
			{"write message", s.SetWriteDeadline, func() error { return s.WriteMessage(background, message(0, 1, 0)) }},
			{"both, read", s.SetDeadline, func() error { _, err := s.Read(make([]byte, 1)); return err }},
			{"both, write", s.SetDeadline, func() error { _, err := s.Write([]byte{1}); return err }},
		} {
			check := func(what string, got, want time.Duration, err error) {
				t.Helper()
				var timeout net.Error
				if !errors.Is(err, os.ErrDeadlineExceeded) || !errors.As(err, &timeout) || !timeout.Timeout() || got != want {
					t.Errorf("%s, %s: %v after %v, want %v", tc.desc, what, err, got, want)
				}
			}
			var err error
			tc.set(time.Now().Add(time.Second))
			check("ahead", elapsed(func() { err = tc.call() }), time.Second, err)
			check("over", elapsed(func() { err = tc.call() }), 0, err)
			tc.set(time.Time{})
			start := time.Now()
			call := result(tc.call)
			pending(t, call)
			tc.set(time.Now().Add(time.Second)) // under a blocked call
			netsim.Elapse(500 * time.Millisecond)
			tc.set(time.Now().Add(time.Second)) // later
			err = <-call
			check("moved", time.Since(start), 1500*time.Millisecond, err)
			tc.set(time.Time{})
			call = result(tc.call)
			pending(t, call)
			tc.set(time.Now().Add(-time.Second))
			check("past", elapsed(func() { err = <-call }), 0, err)
			tc.set(time.Time{})
		}
		if n, err := s.Write(nil); n != 0 || err != sctp.ErrEmptyMessage && err != nil {
			t.Errorf("after the deadlines: %v", err)
		}
	})
}

// PIONS-8: 100 streams opened at once, to an acceptor that comes late, are there
// without delay, each with its data.
func TestAcceptMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		const count = 100
		for id := range uint16(count) {
			send(t, open(t, p.a, id), fmt.Sprint("first on ", id))
			send(t, open(t, p.a, id+count), fmt.Sprint("first on ", id+count))
		}
		netsim.Elapse(50*time.Millisecond + 10*latency)
		start := time.Now()
		seen := make(map[uint16]bool)
		for range 2 * count {
			s := accept(t, p.b)
			seen[s.ID()] = true
			wantRead(t, s, fmt.Sprint("first on ", s.ID()))
			send(t, s, "welcome")
		}
		if len(seen) != 2*count || time.Since(start) != 0 {
			t.Errorf("%d streams after %v", len(seen), time.Since(start))
		}
	})
}

// Several calls of AcceptStream get a stream each; one opened here is not offered.
func TestAcceptors(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		ids := make(chan uint16, 10)
		var calls []<-chan error
		for range 3 {
			calls = append(calls, result(func() error {
				s, err := p.b.AcceptStream(background)
				if err == nil {
					ids <- s.ID()
				}
				return err
			}))
		}
		pending(t, calls...)
		own := open(t, p.b, 5)
		for _, id := range []uint16{5, 1, 2, 3} {
			write(t, p.a, message(id, 10, 0))
		}
		got := make(map[uint16]bool)
		for _, call := range calls {
			if err := <-call; err != nil {
				t.Fatal(err)
			}
			got[<-ids] = true
		}
		if !got[1] || !got[2] || !got[3] {
			t.Errorf("accepted %v", got)
		}
		if n, err := own.Read(make([]byte, 100)); n != 10 || err != nil {
			t.Errorf("own stream: %d, %v", n, err)
		}
		// A stream in the queue may be opened instead, or read without.
		write(t, p.a, message(6, 11, 0))
		write(t, p.a, message(7, 12, 0))
		write(t, p.a, message(8, 13, 0))
		netsim.Elapse(2 * latency)
		if n, err := open(t, p.b, 6).Read(make([]byte, 100)); n != 11 || err != nil {
			t.Errorf("opened from the queue: %d, %v", n, err)
		}
		if got := read(t, p.b, 7); len(got) != 12 {
			t.Errorf("read past the queue: %d bytes", len(got))
		}
		if s := accept(t, p.b); s.ID() != 8 {
			t.Errorf("accepted %d", s.ID())
		}
		write(t, p.a, message(7, 14, 0))
		if s := accept(t, p.b); s.ID() != 7 {
			t.Errorf("accepted %d", s.ID())
		}
	})
}

// Reset ends one direction; what was written before it arrives.
func TestStreamReset(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		a := open(t, p.a, 1)
		send(t, a, "last words")
		if err := a.Reset(); err != nil {
			t.Fatal(err)
		}
		if err := a.Reset(); err != nil {
			t.Errorf("second Reset: %v", err)
		}
		b := accept(t, p.b)
		data, err := io.ReadAll(b)
		if string(data) != "last words" || err != nil {
			t.Errorf("read %q, %v", data, err)
		}
		if _, _, err := b.ReadMessage(background, make([]byte, 1)); err != io.EOF {
			t.Errorf("after io.EOF: %v", err)
		}
		send(t, b, "answer")
		wantRead(t, a, "answer")
	})
}

// A stream closed on both sides is free, on both sides, and starts anew.
func TestStreamReuse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		for i := range 10 {
			a := open(t, p.a, 1)
			send(t, a, fmt.Sprint("round ", i))
			b := accept(t, p.b)
			wantRead(t, b, fmt.Sprint("round ", i))
			closing := result(a.Close)
			if _, err := b.Read(make([]byte, 1)); err != io.EOF {
				t.Fatalf("round %d: %v", i, err)
			}
			if err := b.Close(); err != nil {
				t.Fatal(err)
			}
			if err := <-closing; err != nil {
				t.Fatal(err)
			}
			if _, err := a.Write([]byte{1}); !errors.Is(err, net.ErrClosed) {
				t.Fatalf("write after Close: %v", err)
			}
			netsim.Elapse(4 * latency)
		}
		for _, c := range []*Conn{p.a, p.b} {
			c.mu.Lock()
			if n := len(c.streams.byID); n != 0 {
				t.Errorf("%d streams left", n)
			}
			c.mu.Unlock()
		}
	})
}

// A peer that uses a stream again before it has confirmed our reset is heard, as
// the next stream of that number.
func TestStreamReuseByQuickPeer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := &pair{t: t}
		p.pa, p.pb = pipe()
		f := newFaulty(p.pb)
		var err error
		if p.b, err = New(f, Config{}, false); err != nil {
			t.Fatal(err)
		}
		if p.a, err = New(p.pa, Config{}, true); err != nil {
			t.Fatal(err)
		}
		p.established()
		defer p.end()
		write(t, p.a, message(1, 10, 0))
		b := accept(t, p.b)
		wantRead(t, b, string(message(1, 10, 0).Payload))
		if err := p.a.ResetStreams(1); err != nil {
			t.Fatal(err)
		}
		if _, err := b.Read(make([]byte, 1)); err != io.EOF {
			t.Fatal(err)
		}
		netsim.Elapse(2 * latency)
		f.mu.Lock()
		f.drop = requestsReset
		f.mu.Unlock()
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		write(t, p.a, message(1, 20, 0))
		accepting := result(func() error {
			s, err := p.b.AcceptStream(background)
			if err == nil {
				wantRead(t, s, string(message(1, 20, 0).Payload))
			}
			return err
		})
		netsim.Elapse(500 * time.Millisecond)
		pending(t, accepting)
		f.mu.Lock()
		f.drop = nil
		f.mu.Unlock()
		if err := <-accepting; err != nil {
			t.Error(err)
		}
	})
}

// requestsReset tells whether a packet holds a RE-CONFIG chunk (130) whose first
// parameter is an Outgoing SSN Reset Request (13).
func requestsReset(packet []byte) bool {
	for rest := packet[12:]; len(rest) >= 6; {
		if rest[0] == 130 && rest[5] == 13 {
			return true
		}
		n := (int(binary.BigEndian.Uint16(rest[2:])) + 3) &^ 3
		rest = rest[min(max(n, 4), len(rest)):]
	}
	return false
}

// Closing a stream ends the calls blocked on it, and what the peer goes on
// sending does not close the window for others.
func TestStreamCloseDiscards(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{SCTP: sctp.Config{ReceiveBuffer: 16 << 10, SendBuffer: 1000}})
		defer p.end()
		b := open(t, p.b, 1)
		p.pb.SetConditions(down)
		write(t, p.b, message(2, 1000, 0))
		reading := result(func() error { _, err := b.Read(make([]byte, 1)); return err })
		writing := result(func() error { _, err := b.Write(make([]byte, 1000)); return err })
		pending(t, reading, writing)
		if err := b.Close(); err != nil {
			t.Fatal(err)
		}
		if err := b.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		for _, call := range []<-chan error{reading, writing} {
			if err := <-call; err != net.ErrClosed {
				t.Errorf("blocked call: %v", err)
			}
		}
		if err := b.SetDeadline(time.Now()); err != net.ErrClosed {
			t.Errorf("SetDeadline: %v", err)
		}
		if err := b.Reset(); err != net.ErrClosed {
			t.Errorf("Reset: %v", err)
		}
		if _, err := p.b.OpenStream(1); err != ErrStreamInUse {
			t.Errorf("OpenStream while closing: %v", err)
		}
		p.pb.SetConditions(netsim.Conditions{Latency: latency})
		for i := range 100 {
			write(t, p.a, message(1, 1000, byte(i)))
		}
		write(t, p.a, message(3, 30, 0))
		if s := accept(t, p.b); s.ID() != 3 {
			t.Errorf("accepted %d", s.ID())
		}
		if err := p.a.ResetStreams(1); err != nil {
			t.Fatal(err)
		}
		write(t, p.a, message(4, 40, 0))
		if s := accept(t, p.b); s.ID() != 4 {
			t.Errorf("accepted %d", s.ID())
		}
		netsim.Elapse(10 * latency)
		b = open(t, p.b, 1)
		write(t, p.a, message(1, 5, 0))
		if n, err := b.Read(make([]byte, 10)); n != 5 || err != nil {
			t.Errorf("reopened: %d, %v", n, err)
		}
	})
}

// The graceful end of the association by the peer is the end of its streams; an
// abort is an error.
func TestStreamEndOfAssociation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, graceful := range []bool{true, false} {
			p := connect(t, Config{})
			s := open(t, p.b, 1)
			reading := result(func() error { _, err := s.Read(make([]byte, 1)); return err })
			pending(t, reading)
			if graceful {
				p.a.Close()
			} else {
				p.a.Abort("rude")
			}
			var aborted *sctp.PeerAbortError
			if err := <-reading; graceful && err != io.EOF || !graceful && !errors.As(err, &aborted) {
				t.Errorf("graceful %v: %v", graceful, err)
			}
			if err := s.Close(); err != nil {
				t.Errorf("Close after the end: %v", err)
			}
			p.end()
		}
	})
}
