package sctpnet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// ether is a network of UDP sockets in memory.
type ether struct {
	mu    sync.Mutex
	at    map[netip.AddrPort]*etherConn
	drops func() bool
	hook  func(to netip.AddrPort) // called before a packet is written
}

// written sets the hook.
func (e *ether) written(hook func(to netip.AddrPort)) {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.hook = hook
}

// etherConn is a socket on it.
type etherConn struct {
	net    *ether
	addr   netip.AddrPort
	queue  chan etherPacket
	closed chan struct{}
	once   sync.Once
	read   deadline
}

type etherPacket struct {
	from netip.AddrPort
	b    []byte
}

func (e *ether) socket(addr string) *etherConn {
	c := &etherConn{net: e, addr: netip.MustParseAddrPort(addr), queue: make(chan etherPacket, 1024), closed: make(chan struct{})}
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.at == nil {
		e.at = make(map[netip.AddrPort]*etherConn)
	}
	e.at[c.addr] = c
	return c
}

func (c *etherConn) ReadFromUDPAddrPort(b []byte) (int, netip.AddrPort, error) {
	select {
	case p := <-c.queue:
		return copy(b, p.b), p.from, nil
	case <-c.closed:
		return 0, netip.AddrPort{}, net.ErrClosed
	case <-c.read.wait():
		return 0, netip.AddrPort{}, os.ErrDeadlineExceeded
	}
}

func (c *etherConn) SetReadDeadline(t time.Time) error { c.read.set(t); return nil }

func (c *etherConn) WriteToUDPAddrPort(b []byte, to netip.AddrPort) (int, error) {
	select {
	case <-c.closed:
		return 0, net.ErrClosed
	default:
	}
	c.net.mu.Lock()
	hook := c.net.hook
	c.net.mu.Unlock()
	if hook != nil {
		hook(to)
	}
	p := etherPacket{c.addr, bytes.Clone(b)}
	c.net.mu.Lock()
	defer c.net.mu.Unlock()
	if c.net.drops != nil && c.net.drops() {
		return len(b), nil
	}
	time.AfterFunc(latency, func() {
		c.net.mu.Lock()
		defer c.net.mu.Unlock()
		if peer := c.net.at[to]; peer != nil {
			select {
			case peer.queue <- p:
			default:
			}
		}
	})
	return len(b), nil
}

func (c *etherConn) LocalAddr() net.Addr { return net.UDPAddrFromAddrPort(c.addr) }
func (c *etherConn) Close() error        { c.once.Do(func() { close(c.closed) }); return nil }

const listenAddr = "192.0.2.1:9899"

// listenOn returns a Listener on the ether.
func listenOn(t *testing.T, e *ether, cfg ListenConfig) *Listener {
	t.Helper()
	l, err := listen(e.socket(listenAddr), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// dialFrom begins an association with it.
func dialFrom(t *testing.T, e *ether, addr string, cfg Config) *Conn {
	t.Helper()
	c, err := dial(e.socket(addr), netip.MustParseAddrPort(listenAddr), cfg)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func acceptFrom(t *testing.T, l *Listener) *Conn {
	t.Helper()
	c, err := l.Accept(background)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// gone waits until nothing is left of a Conn.
func gone(t *testing.T, conns ...*Conn) {
	t.Helper()
	for _, c := range conns {
		<-c.Done()
	}
}

// TestListenMany: many associations on one socket, with loss; each has its own
// messages, and nothing is left in the end.
func TestListenMany(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		sent := 0
		e.drops = func() bool { sent++; return sent%23 == 0 }
		l := listenOn(t, e, ListenConfig{})
		const n = 40
		var clients, servers []*Conn
		var served []<-chan error
		for i := range n {
			clients = append(clients, dialFrom(t, e, fmt.Sprintf("192.0.2.2:%d", i+1), Config{}))
		}
		for range n {
			c := acceptFrom(t, l)
			servers = append(servers, c)
			served = append(served, result(func() error {
				buf := make([]byte, 64<<10)
				for {
					k, info, err := c.ReadMessage(background, 0, buf)
					if err != nil {
						return err
					}
					if !info.Complete {
						return errors.New("not at once")
					}
					if err := c.WriteMessage(background, sctp.Message{Payload: buf[:k]}); err != nil {
						return err
					}
				}
			}))
		}
		for i, c := range clients {
			for round := range 3 {
				write(t, c, message(0, 20_000+i, byte(round)))
			}
		}
		for i, c := range clients {
			for round := range 3 {
				if got := read(t, c, 0); !bytes.Equal(got, message(0, 20_000+i, byte(round)).Payload) {
					t.Fatalf("client %d, message %d: %d bytes", i, round, len(got))
				}
			}
		}
		if s := l.Stats(); s.Associations != n || s.Accepted != n {
			t.Errorf("%+v", s)
		}
		e.mu.Lock()
		e.drops = nil
		e.mu.Unlock()
		for _, c := range clients {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		for _, s := range served {
			if err := <-s; !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
		gone(t, clients...)
		gone(t, servers...)
		if s := l.Stats(); s.Associations != 0 {
			t.Errorf("%+v", s)
		}
		l.Close()
	})
}

// TestDialNobody: there is nobody, and nothing is left of the try.
func TestDialNobody(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := dialFrom(t, &ether{}, "192.0.2.2:1", Config{})
		ctx, cancel := context.WithTimeout(background, 5*time.Second)
		defer cancel()
		if _, err := c.established(ctx); !errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
		gone(t, c)
		c = dialFrom(t, &ether{}, "192.0.2.2:1", Config{})
		if err := c.WaitConnected(background); !errors.Is(err, sctp.ErrHandshakeTimeout) {
			t.Error(err)
		}
		gone(t, c)
	})
}

// TestDialErrors: bad calls.
func TestDialErrors(t *testing.T) {
	var ce *sctp.ConfigError
	if _, err := Dial(background, "udp4", "127.0.0.1:9", Config{SCTP: sctp.Config{ZeroChecksum: sctp.DTLSDetection}}); !errors.As(err, &ce) { // 6951-5.3-a
		t.Error(err)
	}
	if _, err := Dial(background, "udp4", "127.0.0.1:0", Config{}); !errors.Is(err, sctp.ErrInvalidAddress) {
		t.Error(err)
	}
	for _, address := range []string{"", "127.0.0.1", "127.0.0.1:nosuchport", "[::1]:9"} {
		if _, err := Dial(background, "udp4", address, Config{}); err == nil {
			t.Errorf("dialled %q", address)
		}
	}
	for _, cfg := range []ListenConfig{{Backlog: -1}, {MaxAssociations: -1}, {ReceiveDelay: -1}, {ReceiveDelay: time.Second}, {Config: Config{CloseTimeout: -1}}} {
		if _, err := Listen("udp4", "127.0.0.1:0", cfg); !errors.As(err, &ce) {
			t.Errorf("%+v: %v", cfg, err)
		}
	}
	if _, err := Listen("tcp", "127.0.0.1:0", ListenConfig{}); err == nil {
		t.Error("listened on TCP")
	}
}

// TestEndDuringSetUp: whenever an end gives up while an association is being set up, whatever is lost of it, calls return and both sockets
// are closed with the last who needs them.
func TestEndDuringSetUp(t *testing.T) {
	ends := []struct {
		desc string
		end  func(c *Conn, l *Listener)
	}{
		{"Abort", func(c *Conn, _ *Listener) { c.Abort("") }},
		{"Close", func(c *Conn, _ *Listener) { c.Close() }},
		{"StartShutdown", func(c *Conn, _ *Listener) { c.StartShutdown() }},
		{"context", func(c *Conn, _ *Listener) {
			ctx, cancel := context.WithCancel(background)
			cancel()
			if c, err := c.established(ctx); err == nil {
				c.Abort("")
			}
		}},
		{"Listener.Close", func(_ *Conn, l *Listener) { l.Close() }},
		{"socket of the client fails", func(c *Conn, _ *Listener) { c.sock.udp.Close() }},
		{"socket of the listener fails", func(_ *Conn, l *Listener) { l.sock.udp.Close() }},
	}
	for _, tc := range ends {
		t.Run(tc.desc, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				for lost := range 6 { // the packet of this number, from 1
					for after := time.Duration(0); after <= 6*latency; after += latency / 2 {
						e := &ether{}
						n := 0
						e.drops = func() bool { n++; return n == lost }
						l := listenOn(t, e, ListenConfig{Config: Config{CloseTimeout: 100 * time.Millisecond}})
						c := dialFrom(t, e, "192.0.2.2:1", Config{CloseTimeout: 100 * time.Millisecond})
						connecting := result(func() error { return c.WaitConnected(background) })
						reading := result(func() error { _, _, err := c.ReadMessage(background, 0, make([]byte, 1)); return err })
						writing := result(func() error { return c.WriteMessage(background, message(0, 1, 0)) })
						accepting := result(func() error {
							for {
								c, err := l.Accept(background)
								if err != nil {
									return err
								}
								c.StartShutdown()
							}
						})
						netsim.Elapse(after)
						tc.end(c, l)
						<-c.Done() // at the latest when the peer has been asked often enough
						<-connecting
						<-writing
						if err := <-reading; err == nil {
							t.Errorf("lost %d, after %v: a message was read", lost, after)
						}
						l.Close()
						if err := <-accepting; !errors.Is(err, net.ErrClosed) {
							t.Errorf("lost %d, after %v: accepting: %v", lost, after, err)
						}
						netsim.Elapse(10 * time.Minute) // the peer may have to find out
						synctest.Wait()
						for _, s := range []*socket{c.sock, l.sock} {
							s.mu.Lock()
							if !s.closed || s.conns.n > 0 || s.ended.len() > 0 || s.holds > 0 || s.out != nil {
								t.Errorf("lost %d, after %v: closed %v, %d Conns, %d ended, %d holds", lost, after, s.closed, s.conns.n, s.ended.len(), s.holds)
							}
							s.mu.Unlock()
						}
					}
				}
			})
		})
	}
}

// TestListenLimits: beyond the backlog, and beyond the limit, peers are refused;
// once there is room again they are not.
func TestListenLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		l := listenOn(t, e, ListenConfig{Backlog: 1, MaxAssociations: 2})
		refused := func(c *Conn) {
			t.Helper()
			var abort *sctp.PeerAbortError
			if err := c.WaitConnected(background); !errors.As(err, &abort) {
				t.Error(err)
			}
			gone(t, c)
		}
		a := dialFrom(t, e, "192.0.2.2:1", Config{})
		if err := a.WaitConnected(background); err != nil {
			t.Fatal(err)
		}
		refused(dialFrom(t, e, "192.0.2.2:2", Config{})) // the backlog is full
		sa := acceptFrom(t, l)
		b := dialFrom(t, e, "192.0.2.2:3", Config{})
		sb := acceptFrom(t, l)
		refused(dialFrom(t, e, "192.0.2.2:4", Config{})) // there are two
		a.Abort("enough")
		gone(t, a, sa)
		c := dialFrom(t, e, "192.0.2.2:5", Config{})
		sc := acceptFrom(t, l)
		b.Abort("enough")
		sc.Abort("enough")
		gone(t, b, sb, c, sc)
		l.Close()
	})
}

// TestListenerClose: what was accepted goes on, what was not is aborted, nothing
// is accepted any more.
func TestListenerClose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		l := listenOn(t, e, ListenConfig{})
		a := dialFrom(t, e, "192.0.2.2:1", Config{})
		sa := acceptFrom(t, l)
		b := dialFrom(t, e, "192.0.2.2:2", Config{})
		if err := b.WaitConnected(background); err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithCancel(background)
		cancel()
		waiting := result(func() error { _, err := l.Accept(background); return err })
		if err := <-waiting; err != nil { // b
			t.Fatal(err)
		}
		if _, err := l.Accept(ctx); !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		d := dialFrom(t, e, "192.0.2.2:3", Config{})
		if err := d.WaitConnected(background); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		l.Close()
		l.Close()
		var abort *sctp.PeerAbortError
		gone(t, d)
		if !errors.As(d.Err(), &abort) {
			t.Error(d.Err())
		}
		if _, err := l.Accept(background); !errors.Is(err, net.ErrClosed) {
			t.Error(err)
		}
		late := dialFrom(t, e, "192.0.2.2:4", Config{})
		if err := late.WaitConnected(background); !errors.As(err, &abort) {
			t.Error(err)
		}
		gone(t, late)
		write(t, a, message(0, 5000, 1))
		if got := read(t, sa, 0); !bytes.Equal(got, message(0, 5000, 1).Payload) {
			t.Errorf("%d bytes", len(got))
		}
		b.Abort("enough")
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		gone(t, a, b, sa)
		synctest.Wait()
		l.sock.mu.Lock()
		defer l.sock.mu.Unlock()
		if !l.sock.closed || l.sock.holds != 0 || l.sock.conns.n != 0 {
			t.Errorf("closed %v, %d holds, %d conns", l.sock.closed, l.sock.holds, l.sock.conns.n)
		}
	})
}

// TestDrain: the first packets leave with the calls that give rise to them; those of a
// stream of calls leave together, however long a write takes.
func TestDrain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		l := listenOn(t, e, ListenConfig{})
		a := dialFrom(t, e, "192.0.2.2:1", Config{})
		b := acceptFrom(t, l)
		netsim.Elapse(time.Second)
		var packets atomic.Int32
		full := make(chan struct{})
		e.written(func(to netip.AddrPort) {
			if to == netip.MustParseAddrPort(listenAddr) && packets.Add(1) > drainAfter {
				<-full
			}
		})
		for i := range drainAfter {
			write(t, a, message(1, 50, byte(i)))
			if n := packets.Load(); n != int32(i+1) {
				t.Errorf("%d packets after %d calls", n, i+1)
			}
		}
		for i := range 100 {
			write(t, a, message(1, 50, byte(drainAfter+i)))
		}
		close(full)
		for i := range drainAfter + 100 {
			if got := read(t, b, 1); got[0] != byte(i) {
				t.Errorf("message %d is %d", i, got[0])
			}
		}
		if n := packets.Load(); n > 20 {
			t.Errorf("%d packets", n)
		}
		for _, c := range []*Conn{a, b} {
			c.Abort("")
		}
		l.Close()
		gone(t, a, b)
	})
}

// TestSocketFails: a socket that fails ends all that is on it.
func TestSocketFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		l := listenOn(t, e, ListenConfig{})
		var conns []*Conn
		for i := range 3 {
			dialFrom(t, e, fmt.Sprintf("192.0.2.2:%d", i+1), Config{})
			conns = append(conns, acceptFrom(t, l))
		}
		reads := result(func() error { _, _, err := conns[0].ReadMessage(background, 0, make([]byte, 10)); return err })
		accepts := result(func() error { _, err := l.Accept(background); return err })
		synctest.Wait()
		l.sock.udp.Close()
		var failed *TransportError
		for _, err := range []error{<-reads, <-accepts} {
			if !errors.As(err, &failed) || !errors.Is(err, net.ErrClosed) {
				t.Error(err)
			}
		}
		gone(t, conns...)
		for _, c := range conns {
			if !errors.As(c.Err(), &failed) {
				t.Error(c.Err())
			}
		}
		for _, c := range e.at { // the peers' sockets, with them their Conns
			c.Close()
		}
	})
}

// TestListenOnEvent: each Conn has its events, in order and one at a time, also
// those that its OnEvent causes.
func TestListenOnEvent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		var mu sync.Mutex
		kinds := make(map[*Conn][]sctp.EventKind)
		echoed := make(map[*Conn]int)
		l := listenOn(t, e, ListenConfig{Config: Config{OnEvent: func(c *Conn, ev sctp.Event) {
			mu.Lock()
			kinds[c] = append(kinds[c], ev.Kind)
			mu.Unlock()
			if ev.Kind != sctp.EventReadable {
				return
			}
			buf := make([]byte, 64<<10)
			for {
				n, _, err := c.TryReadMessage(ev.Stream, buf)
				if err != nil {
					return
				}
				if err := c.TryWriteMessage(sctp.Message{Stream: ev.Stream, Payload: buf[:n]}); err != nil {
					t.Error(err)
				}
				mu.Lock()
				echoed[c]++
				mu.Unlock()
			}
		}}})
		var clients, servers []*Conn
		for i := range 10 {
			clients = append(clients, dialFrom(t, e, fmt.Sprintf("192.0.2.2:%d", i+1), Config{}))
			servers = append(servers, acceptFrom(t, l))
		}
		for round := range 20 {
			for i, c := range clients {
				write(t, c, message(1, 3000+i, byte(round)))
			}
		}
		for i, c := range clients {
			for round := range 20 {
				if got := read(t, c, 1); !bytes.Equal(got, message(1, 3000+i, byte(round)).Payload) {
					t.Fatalf("client %d, message %d: %d bytes", i, round, len(got))
				}
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		}
		gone(t, servers...)
		gone(t, clients...)
		for _, c := range servers {
			k := kinds[c]
			if echoed[c] != 20 || k[0] != sctp.EventConnected || k[len(k)-1] != sctp.EventClosed {
				t.Errorf("%d messages, events %v", echoed[c], k)
			}
		}
		l.Close()
	})
}

// TestManyEndTogether: what each of many Conns costs that end while the socket is busy does not grow with their number.
func TestManyEndTogether(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const n = 300
		e := new(ether)
		l := listenOn(t, e, ListenConfig{Backlog: n})
		var clients, servers []*Conn
		for i := range n {
			c := dialFrom(t, e, fmt.Sprintf("192.0.2.2:%d", 1000+i), Config{})
			if err := c.WaitConnected(background); err != nil {
				t.Fatal(err)
			}
			clients, servers = append(clients, c), append(servers, acceptFrom(t, l))
		}
		s := l.sock
		s.mu.Lock()
		for _, c := range servers {
			c.watch()
		}
		before := s.ended.looked
		s.mu.Unlock()

		block := make(chan struct{})
		e.written(func(netip.AddrPort) { <-block })
		first := result(func() error { servers[0].Abort(""); return nil })
		synctest.Wait()
		for i := range n - 1 {
			servers[1+(i*7)%(n-1)].Abort("") // 7 and n - 1 have no common factor
		}
		e.written(nil)
		close(block)
		<-first
		for _, c := range servers {
			<-c.Done()
		}
		s.mu.Lock()
		if looks := s.ended.looked - before; looks > 10*n {
			t.Errorf("%d looks at Conns that have ended, want a few for each of %d", looks, n)
		}
		if s.ended.len() > 0 || len(s.watched) > 0 || s.conns.n > 0 {
			t.Errorf("%d Conns ended, %d watched and %d there at the end", s.ended.len(), len(s.watched), s.conns.n)
		}
		s.mu.Unlock()
		l.Close()
		gone(t, clients...)
	})
}

// TestConnQueue: a queue that is as long as its memory moves what is in it seldom.
func TestConnQueue(t *testing.T) {
	var q connQueue
	conns := make([]Conn, 1000)
	for i := range conns {
		q.push(&conns[i])
	}
	moved, start := 0, &q.conns[0]
	for i := range 100 * len(conns) {
		if q.first() != &conns[i%len(conns)] {
			t.Fatal("not in order at", i)
		}
		q.pop()
		head := q.head
		if q.push(&conns[i%len(conns)]); q.head < head || &q.conns[0] != start {
			moved++
			start = &q.conns[0]
		}
		if q.len() != len(conns) {
			t.Fatal("length", q.len())
		}
	}
	if moved > 400 {
		t.Errorf("%d Conns have been moved %d times", len(conns), moved)
	}
}

// TestManyLastEvents: OnEvent hears everything, also when the socket is closed before.
func TestManyLastEvents(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		l := listenOn(t, e, ListenConfig{})
		heard := 0
		client := dialFrom(t, e, "192.0.2.2:1", Config{OnEvent: func(c *Conn, ev sctp.Event) {
			if ev.Kind == sctp.EventMessageSent {
				heard++
				c.Abort("enough")
			}
		}})
		server := acceptFrom(t, l)
		if err := client.WaitConnected(background); err != nil {
			t.Fatal(err)
		}
		messages := make([]sctp.Message, 2*maxRounds)
		for i := range messages {
			messages[i] = message(1, 10, 0)
			messages[i].ID = uint64(i + 1)
		}
		if n, err := client.TryWriteMessages(messages); n != len(messages) {
			t.Fatal(n, err)
		}
		gone(t, client)
		if heard != len(messages) {
			t.Errorf("heard of %d messages, of %d", heard, len(messages))
		}
		server.Abort("")
		gone(t, server)
		l.Close()
	})
}
