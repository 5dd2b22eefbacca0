package datachannel

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// Read gives the bytes of messages, in pieces if need be, and skips empty ones;
// Write sends one message.
func TestReadWrite(t *testing.T) {
	bubble(t, setup{paramsA: Params{RemoteMaxMessageSize: -1}}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		for _, text := range []string{"", "hello", "", "x"} {
			check(t, a.SendText(text))
		}
		if n, err := a.Write([]byte("binary")); n != 6 || err != nil {
			t.Errorf("Write: %d, %v", n, err)
		}
		buf := make([]byte, 4)
		if n, err := b.Read(nil); n != 0 || err != nil {
			t.Errorf("Read into nothing: %d, %v", n, err)
		}
		for _, want := range []string{"hell", "o", "x", "bina"} {
			if n, err := b.Read(buf); string(buf[:n]) != want || err != nil {
				t.Errorf("Read: %q, %v, want %q", buf[:n], err, want)
			}
		}
		wantMessage(t, b, "ry", false)
		var typ *TypeError
		if n, err := a.Write(make([]byte, 65537)); n != 0 || !errors.As(err, &typ) {
			t.Errorf("Write: %d, %v", n, err)
		}
	})
}

// A channel carries a stream of bytes like any net.Conn, to its end.
func TestConnCopy(t *testing.T) {
	bubble(t, setup{}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		data := pattern(3<<20, 0)
		go func() {
			// Only Write of a, so that the pieces are those of io.Copy.
			io.Copy(struct{ io.Writer }{a.Conn()}, struct{ io.Reader }{bytes.NewReader(data)})
			a.Close()
		}()
		got, err := io.ReadAll(b.Conn())
		if err != nil || !bytes.Equal(got, data) {
			t.Errorf("%d bytes, %v", len(got), err)
		}
	})
}

// Deadlines end Read and Write, those that wait and those to come, and can be
// moved; two Conns of a channel have their own.
func TestDeadlines(t *testing.T) {
	cfg := setup{a: Config{SCTP: sctp.Config{SendBuffer: 10000}}, b: Config{SCTP: sctp.Config{ReceiveBuffer: 10000}}}
	bubble(t, cfg, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		ca, cb, other := a.Conn(), b.Conn(), b.Conn()
		read := func(c net.Conn) <-chan error {
			done := make(chan error, 1)
			go func() { _, err := c.Read(make([]byte, 10)); done <- err }()
			synctest.Wait()
			return done
		}
		start := time.Now()
		check(t, cb.SetReadDeadline(start.Add(time.Second)))
		if err := <-read(cb); err != os.ErrDeadlineExceeded || time.Since(start) != time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		if err := <-read(cb); err != os.ErrDeadlineExceeded {
			t.Errorf("passed deadline: %v", err)
		}
		check(t, cb.SetReadDeadline(time.Time{}))
		waiting, beside := read(cb), read(other)
		check(t, cb.SetReadDeadline(time.Now().Add(time.Hour)))
		check(t, cb.SetReadDeadline(time.Now().Add(time.Minute)))
		netsim.Elapse(time.Minute)
		if err := <-waiting; err != os.ErrDeadlineExceeded {
			t.Errorf("moved deadline: %v", err)
		}
		waiting = read(other)
		check(t, cb.SetDeadline(time.Now().Add(-time.Second)))
		check(t, a.SendText("one"))
		check(t, a.SendText("two"))
		check(t, <-beside)
		check(t, <-waiting)
		if err := <-read(cb); err != os.ErrDeadlineExceeded {
			t.Errorf("deadline in the past: %v", err)
		}

		check(t, ca.SetWriteDeadline(time.Now().Add(time.Second)))
		var err error
		for err == nil {
			_, err = ca.Write(make([]byte, 5000))
		}
		if err != os.ErrDeadlineExceeded {
			t.Errorf("Write: %v", err)
		}
		check(t, ca.SetDeadline(time.Now().Add(time.Hour)))
		check(t, ca.Close())
		if err := <-read(ca); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if _, err := ca.Write(nil); !errors.Is(err, net.ErrClosed) {
			t.Errorf("closed: %v", err)
		}
		if addr := ca.LocalAddr(); addr.Network() != "datachannel" || addr.String() != "0" || ca.RemoteAddr() != addr {
			t.Errorf("%v %v", addr, ca.RemoteAddr())
		}
		if addr := (Addr{&Channel{s: p.a}}); addr.String() != "none" {
			t.Errorf("%v", addr)
		}
	})
}

// Writers and readers of one channel on many goroutines: every message once.
func TestConcurrentUse(t *testing.T) {
	bubble(t, setup{a: Config{SCTP: sctp.Config{SendBuffer: 5000}}}, func(t *testing.T, p *pair) {
		a, b := p.open("", nil)
		const writers, each = 20, 50
		for w := range writers {
			go func() {
				for i := range each {
					if err := a.WriteMessage(background, []byte{byte(w), byte(i)}, false); err != nil {
						t.Error(err)
					}
				}
			}()
		}
		ctx, cancel := context.WithCancel(background)
		got := make(chan [2]byte, writers*each)
		ended := make(chan struct{})
		for range 10 {
			go func() {
				for {
					m, err := b.ReadMessage(ctx)
					if err != nil {
						ended <- struct{}{}
						return
					}
					got <- [2]byte(m.Data)
				}
			}()
		}
		seen := map[[2]byte]bool{}
		for range writers * each {
			seen[<-got] = true
		}
		cancel()
		for range 10 {
			<-ended
		}
		if len(seen) != writers*each {
			t.Errorf("%d different messages", len(seen))
		}
	})
}
