package sctpnet

import (
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// Room that a pushing transport asks for, and what it puts there.
const (
	roomBefore, roomAfter = 21, 16
	header, tag           = 0xA1, 0xA2
)

// A hub carries the packets of all its ends on one goroutine, as the reader of a
// socket does.
type hub struct {
	mu     sync.Mutex
	cond   sync.Cond
	queue  []delivery
	closed bool
}

type delivery struct {
	to    *pushing
	batch []byte // datagrams, each behind its length of two bytes
}

func newHub() *hub {
	h := new(hub)
	h.cond.L = &h.mu
	go h.run()
	return h
}

func (h *hub) run() {
	var d delivery
	for {
		h.mu.Lock()
		for len(h.queue) == 0 && !h.closed {
			h.cond.Wait()
		}
		if h.closed {
			h.mu.Unlock()
			return
		}
		d, h.queue = h.queue[0], h.queue[1:]
		h.mu.Unlock()
		d.to.bring(d.batch)
	}
}

func (h *hub) close() {
	h.mu.Lock()
	h.closed = true
	h.cond.Signal()
	h.mu.Unlock()
}

// pushing is one end of a transport that is a PacketSource and an InPlaceWriter. What
// it "protects" is inverted, and what it has handed over or sent is overwritten.
type pushing struct {
	net.Conn      // nil: for the methods that must not be called
	t             testing.TB
	hub           *hub // nil: packets are handed over within WriteInPlace
	peer          *pushing
	before, after int

	mu      sync.Mutex
	f       func([][]byte, error)
	early   [][]byte // what came in before there was f
	closed  bool
	delay   time.Duration // how long WriteInPlace takes
	longest time.Duration // that f took
	refuse  error         // what WriteInPlace says of the first frame, which is lost
	block   chan struct{} // WriteInPlace waits until it is closed
	batches []int         // how many frames WriteInPlace got
}

func newPushing(t testing.TB, h *hub) (a, b *pushing) {
	a = &pushing{t: t, hub: h, before: roomBefore, after: roomAfter}
	b = &pushing{t: t, hub: h, before: roomBefore, after: roomAfter, peer: a}
	a.peer = b
	return a, b
}

func (p *pushing) Room() (before, after int) { return p.before, p.after }

func (p *pushing) WriteInPlace(frames [][]byte) (lost int, err error) {
	p.mu.Lock()
	closed, block, delay := p.closed, p.block, p.delay
	err, p.refuse = p.refuse, nil
	p.batches = append(p.batches, len(frames))
	p.mu.Unlock()
	if closed {
		return len(frames), net.ErrClosed
	}
	if block != nil {
		<-block
	}
	if delay > 0 {
		netsim.Elapse(delay)
	}
	for i, f := range frames {
		if len(f) <= p.before+p.after {
			p.t.Errorf("frame %d has %d bytes", i, len(f))
		}
	}
	var sent []byte
	for i, f := range frames {
		if i == 0 && err != nil {
			lost++
			continue
		}
		fill(f[:p.before], header)
		invert(f[p.before : len(f)-p.after])
		fill(f[len(f)-p.after:], tag)
		sent = append(binary.BigEndian.AppendUint16(sent, uint16(len(f))), f...)
	}
	p.checkLayout(frames)
	for _, f := range frames {
		fill(f, 0xEE)
	}
	p.peer.send(sent)
	return lost, err
}

// checkLayout verifies that frames lie one behind the other in one piece of memory.
func (p *pushing) checkLayout(frames [][]byte) {
	total := 0
	for _, f := range frames {
		total += len(f)
	}
	if cap(frames[0]) < total {
		p.t.Errorf("the first of %d frames cannot be extended to all", len(frames))
		return
	}
	all := frames[0][:total]
	for i, f := range frames {
		if &f[0] != &all[0] {
			p.t.Errorf("frame %d does not begin where the one before ends", i)
		}
		all = all[len(f):]
	}
}

func (p *pushing) send(batch []byte) {
	if len(batch) == 0 {
		return
	}
	if p.hub == nil {
		p.bring(batch)
		return
	}
	p.hub.mu.Lock()
	defer p.hub.mu.Unlock()
	p.hub.queue = append(p.hub.queue, delivery{p, batch})
	p.hub.cond.Signal()
}

// bring hands a batch over, on the goroutine of the hub or of the sender.
func (p *pushing) bring(batch []byte) {
	p.mu.Lock()
	f := p.f
	if f == nil {
		p.early = append(p.early, batch)
	}
	p.mu.Unlock()
	if f == nil {
		return
	}
	var packets [][]byte
	for b := batch; len(b) > 0; {
		n := 2 + int(binary.BigEndian.Uint16(b))
		d := b[2:n]
		b = b[n:]
		if bytes.Count(d[:p.before], []byte{header}) != p.before || bytes.Count(d[len(d)-p.after:], []byte{tag}) != p.after {
			p.t.Errorf("the room around a packet is % x, % x", d[:p.before], d[len(d)-p.after:])
		}
		d = d[p.before : len(d)-p.after]
		invert(d)
		packets = append(packets, d)
	}
	start := time.Now()
	f(packets, nil)
	p.mu.Lock()
	p.longest = max(p.longest, time.Since(start))
	p.mu.Unlock()
	fill(batch, 0xEE)
}

func (p *pushing) Receive(f func([][]byte, error)) {
	p.mu.Lock()
	p.f = f
	early := p.early
	if f != nil {
		p.early = nil
	}
	p.mu.Unlock()
	if f != nil {
		for _, b := range early {
			p.bring(b)
		}
	}
}

// fail ends the transport.
func (p *pushing) fail(err error) {
	p.mu.Lock()
	f := p.f
	p.mu.Unlock()
	f(nil, err)
}

func (p *pushing) Close() error {
	p.mu.Lock()
	closed, f := p.closed, p.f
	p.closed = true
	p.mu.Unlock()
	if closed {
		p.t.Error("closed twice")
	}
	if f != nil {
		f(nil, net.ErrClosed) // as a transport may, within Close
	}
	return nil
}

func (p *pushing) SetDeadline(time.Time) error      { return nil }
func (p *pushing) SetWriteDeadline(time.Time) error { return nil }

func fill(b []byte, v byte) {
	for i := range b {
		b[i] = v
	}
}

func invert(b []byte) {
	for i := range b {
		b[i] ^= 0xFF
	}
}

// connectPushing returns a pair over pushing transports, and these.
func connectPushing(t testing.TB, h *hub, cfgA, cfgB Config) (a, b *Conn, pa, pb *pushing) {
	t.Helper()
	pa, pb = newPushing(t, h)
	b, err := New(pb, cfgB, false)
	if err != nil {
		t.Fatal(err)
	}
	if a, err = Client(background, pa, cfgA); err != nil {
		t.Fatal(err)
	}
	if err := b.WaitConnected(background); err != nil {
		t.Fatal(err)
	}
	return a, b, pa, pb
}

func end(conns ...*Conn) {
	for _, c := range conns {
		c.Abort("end of the test")
		<-c.Done()
	}
}

// goroutinesOfConns returns the stacks of goroutines of the caller's bubble that run methods of a Conn:
// some of an earlier test may be about to end.
func goroutinesOfConns() string {
	buf := make([]byte, 1<<20)
	stacks := strings.Split(string(buf[:runtime.Stack(buf, true)]), "\n\n")
	_, bubble, _ := strings.Cut(strings.Split(stacks[0], "\n")[0], "synctest bubble") // the caller's comes first
	var found []string
	for _, stack := range stacks {
		if strings.Contains(stack, "sctpnet.(*Conn)") && strings.Contains(stack, "synctest bubble"+bubble) {
			found = append(found, stack)
		}
	}
	return strings.Join(found, "\n\n")
}

// Over a transport that pushes, no goroutine belongs to an idle Conn; packets lie
// with room around them, one behind the other.
func TestPushInPlace(t *testing.T) {
	for _, room := range [][2]int{{roomBefore, roomAfter}, {0, 0}, {0, 16}} {
		synctest.Test(t, func(t *testing.T) {
			h := newHub()
			defer h.close()
			pa, pb := newPushing(t, h)
			for _, p := range []*pushing{pa, pb} {
				p.before, p.after = room[0], room[1]
			}
			// a sends before there is b: the transport keeps it.
			a, err := New(pa, Config{}, true)
			if err != nil {
				t.Fatal(err)
			}
			synctest.Wait()
			b, err := New(pb, Config{}, false)
			if err != nil {
				t.Fatal(err)
			}
			defer end(a, b)
			if got := elapsed(func() { a.WaitConnected(background) }); got != 0 {
				t.Errorf("connected after %v: the first packet was lost", got)
			}
			synctest.Wait()
			if got := goroutinesOfConns(); got != "" {
				t.Errorf("goroutines of idle Conns:\n%s", got)
			}
			m := message(1, 500_000, 3)
			calls := []<-chan error{
				result(func() error { return a.WriteMessage(background, m) }),
				result(func() error { return b.WriteMessage(background, m) }),
			}
			for _, c := range []*Conn{b, a} {
				if got := read(t, c, 1); !bytes.Equal(got, m.Payload) {
					t.Errorf("got %d bytes", len(got))
				}
			}
			for _, call := range calls {
				if err := <-call; err != nil {
					t.Error(err)
				}
			}
			for _, p := range []*pushing{pa, pb} {
				p.mu.Lock()
				most := 0
				for _, n := range p.batches {
					most = max(most, n)
				}
				if most < 3 || most > maxBatch {
					t.Errorf("batches of up to %d packets", most)
				}
				p.mu.Unlock()
			}
			synctest.Wait() // nothing is between the two
			if got := a.Stats().PacketsReceived; got != b.Stats().PacketsSent {
				t.Errorf("b sent %d packets, a received %d", b.Stats().PacketsSent, got)
			}
			if err := a.Close(); err != nil {
				t.Errorf("Close: %v", err)
			}
		})
	}
}

// A transport may hand packets over within WriteInPlace, to a Conn that answers
// within that, and so on.
func TestPushWithinWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b, _, _ := connectPushing(t, nil, Config{}, Config{OnEvent: func(c *Conn, ev sctp.Event) {
			buf := make([]byte, 10_000)
			for ev.Kind == sctp.EventReadable {
				n, info, err := c.TryReadMessage(ev.Stream, buf)
				if err != nil {
					return
				}
				if err := c.TryWriteMessage(sctp.Message{Stream: ev.Stream, PPID: info.PPID, Payload: buf[:n]}); err != nil {
					t.Error(err)
				}
			}
		}})
		defer end(a, b)
		var readers []<-chan error
		for id := range uint16(4) {
			readers = append(readers, result(func() error {
				for i := range byte(50) {
					if got := read(t, a, id); !bytes.Equal(got, message(id, 5000, i).Payload) {
						t.Errorf("stream %d: message %d differs", id, i)
					}
				}
				return nil
			}), result(func() error {
				for i := range byte(50) {
					write(t, a, message(id, 5000, i))
				}
				return nil
			}))
		}
		for _, r := range readers {
			if err := <-r; err != nil {
				t.Error(err)
			}
		}
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		<-b.Done()
		if b.Err() != nil {
			t.Errorf("b: %v", b.Err())
		}
	})
}

// Many goroutines bring packets, the same ones even, while others write, read and end.
func TestPushConcurrently(t *testing.T) {
	h := newHub()
	defer h.close()
	for _, graceful := range []bool{true, false} {
		a, b, pa, pb := connectPushing(t, h, Config{}, Config{})
		stop := make(chan struct{})
		var busy sync.WaitGroup
		for _, p := range []*pushing{pa, pb} {
			p.mu.Lock()
			f := p.f
			p.mu.Unlock()
			for range 2 {
				busy.Go(func() {
					for {
						select {
						case <-stop:
							return
						default:
							f([][]byte{{1, 2, 3}, make([]byte, 40)}, nil) // no packets of SCTP
						}
					}
				})
			}
		}
		m := message(1, 100_000, 1)
		for _, c := range []*Conn{a, b} {
			busy.Go(func() {
				for n := 0; n < 5 || !graceful; n++ {
					if c.WriteMessage(background, m) != nil {
						return
					}
				}
			})
		}
		for range 5 {
			for _, c := range []*Conn{a, b} {
				if got := read(t, c, 1); !bytes.Equal(got, m.Payload) {
					t.Errorf("got %d bytes", len(got))
				}
			}
		}
		if graceful {
			a.Close()
		} else {
			a.Abort("enough")
		}
		<-a.Done()
		b.Abort("enough")
		<-b.Done()
		close(stop) // late packets, until here, did nothing
		busy.Wait()
	}
}

// The transport's end is the association's; what comes after its end does nothing.
func TestPushFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		for _, cause := range []error{errCable, io.EOF} {
			a, b, pa, _ := connectPushing(t, h, Config{}, Config{})
			reading := result(func() error {
				_, _, err := a.ReadMessage(background, 1, make([]byte, 1))
				return err
			})
			pending(t, reading)
			pa.fail(cause)
			var te *TransportError
			if err := <-reading; !errors.Is(err, cause) || !errors.As(err, &te) || te.Op != "read" {
				t.Errorf("%v: %v", cause, err)
			}
			<-a.Done()
			if !errors.Is(a.Err(), cause) {
				t.Errorf("Err: %v", a.Err())
			}
			pa.fail(errCable)
			pa.f([][]byte{make([]byte, 100)}, nil)
			end(b)
		}
		// In SHUTDOWN-ACK-SENT the end of the transport is as good as SHUTDOWN COMPLETE.
		a, b, _, pb := connectPushing(t, h, Config{}, Config{})
		pb.mu.Lock()
		f := pb.f
		pb.f = func(packets [][]byte, err error) {
			for _, p := range packets {
				if p[12] == 14 { // SHUTDOWN COMPLETE is lost
					return
				}
			}
			f(packets, err)
		}
		pb.mu.Unlock()
		if err := a.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		synctest.Wait()
		f(nil, io.EOF)
		<-b.Done()
		if b.Err() != nil {
			t.Errorf("b: %v", b.Err())
		}
	})
}

// A Conn that ends before its transport was asked for packets never asks.
func TestPushEndsAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pa, _ := newPushing(t, nil)
		c, err := New(pa, Config{}, true)
		if err != nil {
			t.Fatal(err)
		}
		end(c)
	})
}

// Handover leaves the transport to another Conn.
func TestPushHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		a, b, _, pb := connectPushing(t, h, Config{}, Config{})
		for i := range byte(3) {
			write(t, a, message(1, 3000, i))
			read(t, b, 1)
			netsim.Elapse(time.Second)
			state, err := b.Handover()
			if err != nil {
				t.Fatal(err)
			}
			pb.mu.Lock()
			if pb.f != nil || pb.closed {
				t.Error("the transport is not free")
			}
			pb.mu.Unlock()
			write(t, a, message(2, 100, i)) // while nobody is there
			synctest.Wait()
			if b, err = Resume(pb, Config{}, state); err != nil {
				t.Fatal(err)
			}
			if got := elapsed(func() { read(t, b, 2) }); got != 0 {
				t.Errorf("read after %v: the transport kept the packet in vain", got)
			}
		}
		end(a, b)
	})
}

// An OnEvent that lags behind, on a goroutine of the application, does not keep the
// transport's: packets are lost and come again.
func TestPushSlowOnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		release := make(chan struct{})
		var entered bool
		var mu sync.Mutex
		seen := make(map[uint16]bool)
		a, b, _, pb := connectPushing(t, h, Config{}, Config{OnEvent: func(_ *Conn, ev sctp.Event) {
			if ev.Kind == sctp.EventBufferedAmountLow && !entered {
				entered = true
				<-release
			}
			if ev.Kind == sctp.EventReadable {
				mu.Lock()
				seen[ev.Stream] = true
				mu.Unlock()
			}
		}})
		defer end(a, b)
		synctest.Wait() // the transport's goroutine is done with the handshake
		pb.mu.Lock()
		pb.refuse = errCable // or the answer might bring that goroutine to OnEvent first
		pb.mu.Unlock()
		lagging := result(func() error { return b.TryWriteMessage(message(0, 10, 0)) })
		pending(t, lagging)
		const streams = 2 * maxEvents
		for id := range uint16(streams) {
			write(t, a, message(id, 1, 0))
		}
		netsim.Elapse(10 * time.Second)
		b.mu.Lock()
		if n := b.events.len(); n < maxEvents || n > maxEvents+1200 {
			t.Errorf("%d events wait", n)
		}
		b.mu.Unlock()
		// The transport is not held up: others on it go on.
		c, d, _, _ := connectPushing(t, h, Config{}, Config{})
		write(t, c, message(1, 10, 0))
		read(t, d, 1)
		end(c, d)
		close(release)
		netsim.Elapse(2 * time.Minute)
		mu.Lock()
		defer mu.Unlock()
		if len(seen) != streams {
			t.Errorf("%d streams have become readable, want %d", len(seen), streams)
		}
	})
}

// A reader of messages who does not read closes the receive window, and nothing else.
func TestPushFullReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		a, b, _, _ := connectPushing(t, h, Config{}, Config{SCTP: sctp.Config{ReceiveBuffer: 20_000}})
		c, d, _, _ := connectPushing(t, h, Config{}, Config{})
		writing := result(func() error {
			for range 100 {
				if err := a.WriteMessage(background, message(1, 5000, 0)); err != nil {
					return err
				}
			}
			return nil
		})
		netsim.Elapse(10 * time.Second)
		write(t, c, message(1, 10, 0))
		if got := elapsed(func() { read(t, d, 1) }); got != 0 {
			t.Errorf("read after %v", got)
		}
		for range 100 {
			read(t, b, 1)
		}
		if err := <-writing; err != nil {
			t.Error(err)
		}
		end(a, b, c, d)
	})
}

// The transport's goroutine sends a few batches, and not all that a window allows which
// opens wide.
func TestPushLetsSourceGo(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		const buffer = 2 << 20
		cfg := Config{SCTP: sctp.Config{InitialWindow: buffer, ReceiveBuffer: buffer, MaxBurst: 1000}}
		a, b, pa, _ := connectPushing(t, h, cfg, cfg)
		defer end(a, b)
		const count = 80
		writing := result(func() error {
			for i := range byte(count) {
				if err := a.WriteMessage(background, message(1, 50_000, i)); err != nil {
					return err
				}
			}
			return nil
		})
		netsim.Elapse(10 * time.Second) // until the window of b is closed
		pa.mu.Lock()
		pa.delay, pa.longest, pa.batches = 10*time.Millisecond, 0, nil
		pa.mu.Unlock()
		for i := range byte(count) {
			if got := read(t, b, 1); !bytes.Equal(got, message(1, 50_000, i).Payload) {
				t.Errorf("message %d differs", i)
			}
		}
		if err := <-writing; err != nil {
			t.Error(err)
		}
		pa.mu.Lock()
		defer pa.mu.Unlock()
		if pa.longest > sourceRounds*pa.delay || len(pa.batches) < 3*sourceRounds {
			t.Errorf("kept for %v; %d batches", pa.longest, len(pa.batches))
		}
	})
}

// A transport that blocks when it sends, as it should not, costs its own goroutine,
// not those of the application.
func TestPushBlockedWrite(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		a, b, pa, _ := connectPushing(t, h, Config{}, Config{})
		defer end(a, b)
		block := make(chan struct{})
		pa.mu.Lock()
		pa.block = block
		pa.mu.Unlock()
		stuck := result(func() error { return a.WriteMessage(background, message(1, 1000, 0)) })
		pending(t, stuck)
		netsim.Elapse(2 * stallTime)
		if got := elapsed(func() {
			if err := a.TryWriteMessage(message(1, 1000, 0)); err != nil {
				t.Error(err)
			}
		}); got != 0 {
			t.Errorf("the call took %v", got)
		}
		write(t, b, message(2, 100, 0))
		if got := elapsed(func() { read(t, a, 2) }); got != 0 {
			t.Errorf("read after %v", got)
		}
		pa.mu.Lock()
		pa.block = nil
		pa.mu.Unlock()
		close(block)
		for range 2 {
			if got := read(t, b, 1); len(got) != 1000 {
				t.Errorf("got %d bytes", len(got))
			}
		}
		if err := <-stuck; err != nil {
			t.Error(err)
		}
	})
}

// A refused frame is a lost packet; a transport that is gone ends the association.
func TestPushRefused(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHub()
		defer h.close()
		a, b, pa, _ := connectPushing(t, h, Config{}, Config{})
		defer end(a, b)
		for i, refuse := range []error{errCable, net.ErrClosed} {
			pa.mu.Lock()
			pa.refuse = refuse
			pa.mu.Unlock()
			m := message(1, 50_000, byte(i))
			if err := a.TryWriteMessage(m); err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				if got := read(t, b, 1); !bytes.Equal(got, m.Payload) {
					t.Errorf("got %d bytes", len(got))
				}
			}
		}
		<-a.Done()
		var te *TransportError
		if !errors.As(a.Err(), &te) || te.Op != "write" {
			t.Errorf("Err: %v", a.Err())
		}
	})
}

// A batch that moves takes the packets along that it has.
func TestBatchMoves(t *testing.T) {
	b := newBatch(1000, 3, 2)
	b.buf = make([]byte, 0, 1100) // not back into the pool
	for _, n := range []int{10, 2000, 5, 3000} {
		dst, _ := b.next(4)
		b.add(append(dst, message(0, n, byte(n)).Payload...), false)
	}
	all := b.buf
	for i, n := range []int{10, 2000, 5, 3000} {
		f := b.packets[i]
		if &f[0] != &all[0] || len(f) != n+5 || !bytes.Equal(f[3:3+n], message(0, n, byte(n)).Payload) {
			t.Errorf("packet %d has moved", i)
		}
		all = all[len(f):]
	}
}
