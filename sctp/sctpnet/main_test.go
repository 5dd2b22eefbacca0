package sctpnet

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"runtime"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// TestMain fails if a test leaves a goroutine of this package behind.
func TestMain(m *testing.M) {
	code := m.Run()
	if leaked := leakedGoroutines(); leaked != "" && code == 0 {
		fmt.Fprintf(os.Stderr, "goroutines left behind:\n%s\n", leaked)
		code = 1
	}
	os.Exit(code)
}

// leakedGoroutines returns the stacks of goroutines that run code of this package,
// the calling one apart. One that is about to end gets the chance to.
func leakedGoroutines() string {
	var leaked string
	for range 1000 {
		runtime.Gosched()
		buf := make([]byte, 1<<20)
		buf = buf[:runtime.Stack(buf, true)]
		leaked = ""
		for i, stack := range bytes.Split(buf, []byte("\n\n")) {
			if i > 0 && bytes.Contains(stack, []byte("sctp/sctpnet.")) {
				leaked += string(stack) + "\n\n"
			}
		}
		if leaked == "" {
			break
		}
	}
	return leaked
}

// background is the context of calls that need no bound.
var background = context.Background()

// latency is the one-way delay of the pipes in tests.
const latency = 20 * time.Millisecond

// pipe returns the two ends of a link with latency.
func pipe() (a, b *netsim.Conn) {
	delayed := netsim.Conditions{Latency: latency}
	return netsim.Pipe(netsim.PipeConfig{AtoB: delayed, BtoA: delayed})
}

// down is a link that carries nothing.
var down = netsim.Conditions{Down: []netsim.Window{netsim.Always}}

// A pair is two ends of an association.
type pair struct {
	t      *testing.T
	a, b   *Conn
	pa, pb *netsim.Conn // their transports, as far as they are of netsim
}

// connect returns a pair over pipe, client a and server b.
func connect(t *testing.T, cfg Config) *pair {
	t.Helper()
	pa, pb := pipe()
	p := &pair{t: t, pa: pa, pb: pb}
	var err error
	if p.b, err = New(pb, cfg, false); err != nil {
		t.Fatal(err)
	}
	if p.a, err = New(pa, cfg, true); err != nil {
		t.Fatal(err)
	}
	p.established()
	return p
}

// established waits until both ends are, and ends them with the test.
func (p *pair) established() {
	p.t.Helper()
	for _, c := range []*Conn{p.a, p.b} {
		if err := c.WaitConnected(background); err != nil {
			p.t.Fatal(err)
		}
	}
}

// end aborts both ends if need be, and waits until nothing is left of them.
func (p *pair) end() {
	p.a.Abort("end of the test")
	p.b.Abort("end of the test")
	for _, c := range []*Conn{p.a, p.b} {
		<-c.Done()
		c.mu.Lock()
		if c.life.holds != 0 || c.sender.busy || c.events.busy {
			p.t.Errorf("done with %d holds, sending %v, in OnEvent %v", c.life.holds, c.sender.busy, c.events.busy)
		}
		c.mu.Unlock()
	}
}

// message returns a message of n bytes whose content depends on seed.
func message(stream uint16, n int, seed byte) sctp.Message {
	payload := make([]byte, n)
	for i := range payload {
		payload[i] = byte(i) + seed
	}
	return sctp.Message{Stream: stream, PPID: 53, Payload: payload}
}

// read reads one whole message.
func read(t *testing.T, c *Conn, stream uint16) []byte {
	t.Helper()
	var whole []byte
	buf := make([]byte, 64<<10)
	for {
		n, info, err := c.ReadMessage(background, stream, buf)
		if err != nil {
			t.Fatalf("read stream %d: %v", stream, err)
		}
		whole = append(whole, buf[:n]...)
		if info.Complete {
			return whole
		}
	}
}

// write writes one message.
func write(t *testing.T, c *Conn, m sctp.Message) {
	t.Helper()
	if err := c.WriteMessage(background, m); err != nil {
		t.Fatalf("write: %v", err)
	}
}

// result runs f in a goroutine and returns a channel for its error.
func result(f func() error) <-chan error {
	c := make(chan error, 1)
	go func() { c <- f() }()
	return c
}

// pending fails the test if one of the calls has returned.
func pending(t *testing.T, calls ...<-chan error) {
	t.Helper()
	synctest.Wait()
	for i, c := range calls {
		select {
		case err := <-c:
			t.Fatalf("call %d returned: %v", i, err)
		default:
		}
	}
}

// elapsed returns how long f takes.
func elapsed(f func()) time.Duration {
	start := time.Now()
	f()
	return time.Since(start)
}
