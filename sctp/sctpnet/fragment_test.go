package sctpnet

import (
	"bytes"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
)

// narrow is a transport over a path with an MTU: whole packets above it are lost or
// refused, others are fragmented.
type narrow struct {
	*netsim.Conn
	refuses bool // as the first link does
	mu      sync.Mutex
	mtu     int
	whole   bool
	told    []bool
	err     error // of SetDontFragment
}

func (n *narrow) SetDontFragment(on bool) error {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.whole = on
	n.told = append(n.told, on)
	return n.err
}

func (n *narrow) narrowTo(mtu int) {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.mtu = mtu
}

func (n *narrow) Write(p []byte) (int, error) {
	n.mu.Lock()
	lost := n.whole && len(p) > n.mtu
	n.mu.Unlock()
	switch {
	case lost && n.refuses:
		return 0, &net.OpError{Op: "write", Err: syscall.EMSGSIZE}
	case lost:
		return len(p), nil
	}
	return n.Conn.Write(p)
}

// WriteBatch finds packets that are to be treated differently.
func (n *narrow) WriteBatch(packets [][]byte) (int, error) {
	for i, p := range packets {
		if _, err := n.Write(p); err != nil {
			return i, err
		}
	}
	return len(packets), nil
}

// narrowPair returns two ends over a path with an MTU.
func narrowPair(t *testing.T, mtu int, refuses bool, cfg Config) (*pair, [2]*narrow) {
	t.Helper()
	p := &pair{t: t}
	p.pa, p.pb = pipe()
	ends := [2]*narrow{{Conn: p.pa, mtu: mtu, refuses: refuses}, {Conn: p.pb, mtu: mtu, refuses: refuses}}
	var err error
	if p.b, err = New(ends[1], cfg, false); err != nil {
		t.Fatal(err)
	}
	if p.a, err = New(ends[0], cfg, true); err != nil {
		t.Fatal(err)
	}
	p.established()
	return p, ends
}

// transfer carries one message, and checks it.
func (p *pair) transfer(n int, seed byte) {
	p.t.Helper()
	m := message(1, n, seed)
	writing := result(func() error { return p.a.WriteMessage(background, m) })
	if got := read(p.t, p.b, 1); !bytes.Equal(got, m.Payload) {
		p.t.Errorf("got %d bytes", len(got))
	}
	if err := <-writing; err != nil {
		p.t.Error(err)
	}
}

// TestSearchMTU: both ends find what the path carries, be larger packets lost or
// refused with EMSGSIZE, and go on when it carries less. // 8899-5.2-b 8899-4.3-a
func TestSearchMTU(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, refuses := range []bool{false, true} {
			p, ends := narrowPair(t, 1410, refuses, Config{})
			netsim.Elapse(pmtuTime)
			for i, c := range []*Conn{p.a, p.b} {
				if mtu := c.Stats().MTU; mtu != 1408 {
					t.Errorf("end %d: MTU %d", i, mtu)
				}
			}
			p.transfer(100_000, 1)
			ends[0].narrowTo(1188)
			p.transfer(100_000, 2)
			if st := p.a.Stats(); st.MTU > 1188 || st.BlackHoles != 1 {
				t.Errorf("%+v", st)
			}
			ends[0].narrowTo(600) // not even the base
			p.transfer(100_000, 3)
			ends[0].narrowTo(1500)
			p.a.PathChanged()
			netsim.Elapse(pmtuTime)
			if st := p.a.Stats(); st.MTU != 1432 {
				t.Errorf("%+v", st)
			}
			p.end()
		}
	})
}

// pmtuTime is enough for a search.
const pmtuTime = time.Minute

// TestSearchNeedsControl: without a say in fragmentation there is no search unless it
// is asked for, and with the search off nobody is told anything.
func TestSearchNeedsControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := connect(t, Config{})
		netsim.Elapse(pmtuTime)
		if st := p.a.Stats(); st.MTUProbesSent != 0 {
			t.Errorf("%+v", st)
		}
		p.end()
		p = connect(t, Config{SCTP: sctp.Config{MaxMTU: 1300}})
		netsim.Elapse(pmtuTime)
		if st := p.a.Stats(); st.MTU != 1300 {
			t.Errorf("%+v", st)
		}
		p.end()
		p, ends := narrowPair(t, 1500, false, Config{SCTP: sctp.Config{MaxMTU: -1}})
		netsim.Elapse(pmtuTime)
		if st := p.a.Stats(); st.MTUProbesSent != 0 || len(ends[0].told) != 0 {
			t.Errorf("%+v, %v", st, ends[0].told)
		}
		p.end()
		f := newFragmentation(&narrow{err: errors.ErrUnsupported}, &sctp.Config{})
		if f.set != nil {
			t.Error("a transport that refuses is asked again")
		}
	})
}

// TestFragmentControl: the transport is told before it matters, and not more often.
func TestFragmentControl(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, ends := narrowPair(t, 1432, false, Config{})
		netsim.Elapse(pmtuTime)
		p.transfer(50_000, 1)
		ends[0].mu.Lock()
		if n := len(ends[0].told); n < 2 || n > 5 || ends[0].told[0] || !ends[0].told[n-1] {
			t.Errorf("%v", ends[0].told)
		}
		ends[0].mu.Unlock()
		p.end()
	})
}

// TestSearchUDP: over loopback, with sockets of the system. // 8899-5.2-b
func TestSearchUDP(t *testing.T) {
	l, err := Listen("udp4", "127.0.0.1:0", ListenConfig{})
	if err != nil {
		t.Skip("no UDP on loopback:", err)
	}
	defer l.Close()
	p := &pair{t: t}
	if p.a, err = Dial(background, "udp4", l.Addr().String(), Config{}); err != nil {
		t.Fatal(err)
	}
	if p.b, err = l.Accept(background); err != nil {
		t.Fatal(err)
	}
	defer p.end()
	if p.a.sock.fragments.set == nil {
		t.Skip("this system has no control of fragmentation")
	}
	start := time.Now()
	for round := 0; p.a.Stats().MTU != 1472 || p.b.Stats().MTU != 1472; round++ {
		if time.Since(start) > time.Minute { // a second is plenty
			t.Fatalf("MTUs %d and %d", p.a.Stats().MTU, p.b.Stats().MTU)
		}
		p.transfer(1000, byte(round))
	}
	p.transfer(500_000, 0)
}
