package sctpnet

import (
	"errors"
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
