package sctpnet

import (
	"encoding/binary"
	"errors"
	"hash/crc32"
	"net"
	"net/netip"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// TestConnHandover: the association moves to another Conn over the same transport, in
// both directions of it, again and again. The peer notices nothing.
func TestConnHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		for i := range byte(4) {
			write(t, p.a, message(1, 3000, i))
			write(t, p.b, message(1, 3000, i))
			read(t, p.a, 1)
			var notReady *sctp.HandoverError
			if _, err := p.b.Handover(); !errors.As(err, &notReady) {
				t.Fatalf("Handover at once: %v", err)
			}
			read(t, p.b, 1)
			netsim.Elapse(time.Second)
			state, err := p.b.Handover()
			if err != nil {
				t.Fatal(err)
			}
			old := p.b
			select {
			case <-old.Done():
			default:
				t.Error("Handover returned, and something runs")
			}
			if err := old.Err(); err != sctp.ErrHandedOver {
				t.Errorf("Err: %v", err)
			}
			if err := old.TryWriteMessage(message(1, 1, 0)); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a write: %v", err)
			}
			if _, err := old.Handover(); !errors.Is(err, net.ErrClosed) {
				t.Errorf("once more: %v", err)
			}
			write(t, p.a, message(2, 100, i)) // while nobody is there
			netsim.Elapse(10 * time.Millisecond)
			if p.b, err = Resume(p.pb, Config{}, state); err != nil {
				t.Fatal(err)
			}
			read(t, p.b, 2)
			p.established()
		}
		if p.a.State() != sctp.Established || p.b.State() != sctp.Established {
			t.Error("not established")
		}
	})
}

// TestResumeRefuses: the net.Conn stays the caller's.
func TestResumeRefuses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pa, pb := pipe()
		var bad *sctp.ResumeError
		if _, err := Resume(pa, Config{}, []byte("no state")); !errors.As(err, &bad) {
			t.Fatalf("Resume: %v", err)
		}
		if err := pa.Close(); err != nil {
			t.Errorf("it was closed: %v", err)
		}
		pb.Close()
	})
}

// TestListenerHandover: an association moves from one Listener to another, whose
// socket takes the place of the first.
func TestListenerHandover(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		old := listenOn(t, e, ListenConfig{})
		client := dialFrom(t, e, "192.0.2.2:9899", Config{})
		server := acceptFrom(t, old)
		write(t, client, message(1, 100, 0))
		read(t, server, 1)
		netsim.Elapse(time.Second)
		state, err := server.Handover()
		if err != nil {
			t.Fatal(err)
		}
		gone(t, server)
		write(t, client, message(1, 100, 1)) // the old one must not answer
		netsim.Elapse(time.Second)
		next := listenOn(t, e, ListenConfig{})
		resumed, err := next.Resume(netip.MustParseAddrPort("192.0.2.2:9899"), state)
		if err != nil {
			t.Fatal(err)
		}
		read(t, resumed, 1)
		write(t, resumed, message(1, 5000, 2))
		read(t, client, 1)
		if resumed.RemoteAddr().String() != "192.0.2.2:9899" {
			t.Error(resumed.RemoteAddr())
		}
		next.Close()
		if _, err := next.Resume(netip.MustParseAddrPort("192.0.2.3:9899"), state); !errors.Is(err, net.ErrClosed) {
			t.Errorf("on a closed listener: %v", err)
		}
		old.Close()
		if err := client.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		gone(t, client, resumed)
	})
}

// TestResumedIsEstablished: a Conn that Resume returns, or New with a token, can be ended
// gracefully at once. // snap-c
func TestResumedIsEstablished(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		netsim.Elapse(time.Second)
		state, err := p.b.Handover()
		if err != nil {
			t.Fatal(err)
		}
		if p.b, err = Resume(p.pb, Config{}, state); err != nil {
			t.Fatal(err)
		}
		if err := p.b.Shutdown(background); err != nil {
			t.Errorf("Shutdown: %v", err)
		}
		<-p.a.Done()
		if err := p.a.Err(); err != nil {
			t.Errorf("the peer ends with %v", err)
		}
	})
	synctest.Test(t, func(t *testing.T) {
		p := begin(t, true)
		defer p.end()
		write(t, p.a, message(1, 100, 0))
		p.a.StartShutdown()
		read(t, p.b, 1)
		for _, c := range []*Conn{p.a, p.b} {
			<-c.Done()
			if err := c.Err(); err != nil {
				t.Errorf("ended with %v", err)
			}
		}
	})
}

// TestResumeECN: what a net.Conn cannot carry is refused. // ecn-d
func TestResumeECN(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		defer p.end()
		netsim.Elapse(time.Second)
		state, err := p.b.Handover()
		if err != nil {
			t.Fatal(err)
		}
		var bad *sctp.ConfigError
		if _, err := Resume(p.pb, Config{SCTP: sctp.Config{ECN: true}}, state); !errors.As(err, &bad) || bad.Field != "ECN" {
			t.Errorf("Resume: %v", err)
		}
	})
}

// noDeadlines is a net.Conn whose deadlines are stubs.
type noDeadlines struct{ net.Conn }

func (noDeadlines) SetDeadline(time.Time) error      { return nil }
func (noDeadlines) SetReadDeadline(time.Time) error  { return nil }
func (noDeadlines) SetWriteDeadline(time.Time) error { return nil }

// TestHandoverStubs: a net.Conn that cannot be taken from its reader is closed, and the
// association goes on over another.
func TestHandoverStubs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pa, pb := pipe()
		server, err := New(noDeadlines{pb}, Config{}, false)
		if err != nil {
			t.Fatal(err)
		}
		client, err := Client(background, pa, Config{})
		if err != nil {
			t.Fatal(err)
		}
		netsim.Elapse(time.Second)
		var state []byte
		if took := elapsed(func() { state, err = server.Handover() }); err != nil || took != heedTime {
			t.Fatalf("Handover: %v after %v", err, took)
		}
		if state == nil {
			t.Error("no state")
		}
		if _, err := pb.Write(make([]byte, 10)); err == nil {
			t.Error("the net.Conn is open, and in use")
		}
		<-server.Done()
		client.Abort("")
		<-client.Done()
	})
}

// TestHandoverBusySocket: other associations of a socket that is always sending do not
// keep one from being handed over, nor from ending.
func TestHandoverBusySocket(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		l := listenOn(t, e, ListenConfig{})
		one, two := dialFrom(t, e, "192.0.2.2:1", Config{}), dialFrom(t, e, "192.0.2.3:1", Config{})
		first, second := acceptFrom(t, l), acceptFrom(t, l)
		netsim.Elapse(time.Second)
		busy, end := make(chan struct{}), make(chan struct{})
		e.written(func(to netip.AddrPort) {
			select {
			case <-busy:
			default:
				close(busy)
			}
			<-end
		})
		writing := result(func() error { return second.WriteMessage(background, message(1, 100, 0)) })
		<-busy
		if _, err := first.Handover(); err != nil {
			t.Errorf("Handover: %v", err)
		}
		gone(t, first)
		e.written(nil)
		close(end)
		if err := <-writing; err != nil {
			t.Error(err)
		}
		one.Abort("")
		two.Abort("")
		gone(t, one, two, second)
		l.Close()
	})
	synctest.Test(t, func(t *testing.T) {
		e := &ether{}
		l := listenOn(t, e, ListenConfig{})
		one, two := dialFrom(t, e, "192.0.2.2:1", Config{}), dialFrom(t, e, "192.0.2.3:1", Config{})
		first, second := acceptFrom(t, l), acceptFrom(t, l)
		netsim.Elapse(time.Second)
		n := 0
		e.written(func(netip.AddrPort) { // each packet gives rise to another
			switch n++; {
			case n == 10:
				first.Abort("")
			case n == 40:
				select {
				case <-first.Done():
				default:
					t.Error("an association that ended long ago is kept")
				}
				fallthrough
			case n > 40:
				return
			}
			l.sock.mu.Lock()
			defer l.sock.mu.Unlock()
			l.sock.ep.HandlePacket(time.Now(), netip.MustParseAddrPort("192.0.2.9:1"), outOfTheBlue())
		})
		write(t, second, message(1, 100, 0))
		e.written(nil)
		one.Abort("")
		two.Abort("")
		gone(t, one, two, first, second)
		l.Close()
	})
}

// outOfTheBlue returns a SHUTDOWN ACK that belongs to no association, which is answered
// (RFC 9260, section 8.4).
func outOfTheBlue() []byte {
	packet := make([]byte, 16)
	packet[1], packet[3], packet[7] = 1, 1, 1
	binary.BigEndian.PutUint16(packet[2:], 5000)
	packet[12], packet[15] = 8, 4
	binary.LittleEndian.PutUint32(packet[8:], crc32.Checksum(packet, crc32.MakeTable(crc32.Castagnoli)))
	return packet
}
