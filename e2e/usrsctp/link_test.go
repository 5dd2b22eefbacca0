package usrsctp

import (
	"encoding/binary"
	"errors"
	"net"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/link"
	"github.com/sluice-rtc/sluice/internal/netsim"
)

// Chunk types that the tests look for (RFC 9260, section 3.2; RFC 3758).
const (
	typeData         = 0
	typeInit         = 1
	typeSACK         = 3
	typeHeartbeat    = 4
	typeHeartbeatAck = 5
	typeReconfig     = 130
)

// commonHeader is the length of an SCTP common header.
const commonHeader = 12

// A way is a direction of packets, seen from our side.
type way int

const (
	toPeer way = iota
	fromPeer
)

// A tap is our end of the way to usrsctp. It sees the chunks of each packet.
type tap struct {
	net.Conn

	held []byte // the first packet, until it is read

	mu       sync.Mutex
	cut      bool // nothing is sent
	watchers []*watcher
}

// A watcher waits for a chunk.
type watcher struct {
	way    way
	wanted func(kind byte, value []byte) bool
	seen   chan struct{}
}

// watch returns a channel that is closed when a chunk comes past that is wanted:
// the function gets its type and what follows its header.
func (t *tap) watch(w way, wanted func(kind byte, value []byte) bool) <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	watcher := &watcher{way: w, wanted: wanted, seen: make(chan struct{})}
	t.watchers = append(t.watchers, watcher)
	return watcher.seen
}

// watchType watches for the next chunk of a type.
func (t *tap) watchType(w way, kind byte) <-chan struct{} {
	return t.watch(w, func(k byte, _ []byte) bool { return k == kind })
}

// watchClosedWindow watches for a SACK whose a_rwnd has no room for a packet.
func (t *tap) watchClosedWindow(w way) <-chan struct{} {
	return t.watch(w, func(k byte, v []byte) bool {
		return k == typeSACK && len(v) >= 8 && binary.BigEndian.Uint32(v[4:]) < 1000
	})
}

// silence drops everything that is sent until an INIT comes.
func (t *tap) silence() {
	t.watch(fromPeer, func(kind byte, _ []byte) bool {
		if kind == typeInit {
			t.cut = false
		}
		return kind == typeInit
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.cut = true
}

// Write sends a packet. One that the peer's host refuses, as nobody is there, is lost.
func (t *tap) Write(p []byte) (int, error) {
	if t.look(toPeer, p) {
		return len(p), nil
	}
	n, err := t.Conn.Write(p)
	if errors.Is(err, syscall.ECONNREFUSED) {
		return len(p), nil
	}
	return n, err
}

// hold waits for the first packet of the peer and keeps it until somebody reads.
func (t *tap) hold() error {
	buf := make([]byte, 1<<16)
	_ = t.SetReadDeadline(time.Now().Add(testTime))
	n, err := t.Conn.Read(buf)
	_ = t.SetReadDeadline(time.Time{})
	t.held = buf[:n]
	return err
}

func (t *tap) Read(p []byte) (n int, err error) {
	if t.held != nil {
		n, t.held = copy(p, t.held), nil
	} else {
		for n, err = t.Conn.Read(p); errors.Is(err, syscall.ECONNREFUSED); {
			n, err = t.Conn.Read(p)
		}
	}
	t.look(fromPeer, p[:n])
	return n, err
}

// look shows the chunks of a packet to the watchers, and tells whether sending is cut.
func (t *tap) look(w way, packet []byte) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.watchers) == 0 {
		return t.cut
	}
	for b := packet[min(commonHeader, len(packet)):]; len(b) >= 4; {
		n := int(binary.BigEndian.Uint16(b[2:]))
		if n < 4 || n > len(b) {
			break
		}
		t.show(w, b[0], b[4:n])
		b = b[min((n+3)&^3, len(b)):]
	}
	return t.cut
}

// show shows a chunk to the watchers. The lock is held, also for them.
func (t *tap) show(way way, kind byte, value []byte) {
	rest := t.watchers[:0]
	for _, w := range t.watchers {
		if w.way == way && w.wanted(kind, value) {
			close(w.seen)
		} else {
			rest = append(rest, w)
		}
	}
	t.watchers = rest
}

// dial returns our end of the way to the peer, with these conditions in both
// directions if there are any. port is our UDP port, 0 for any.
func dial(t *testing.T, p *peer, conditions *netsim.Conditions, port int) *tap {
	t.Helper()
	ip := net.IPv4(127, 0, 0, 1)
	syscall.ForkLock.Lock() // the port may be that of a socket just closed; see freePort
	//lint:ignore SA2001 to wait for a fork that is going on is the purpose
	syscall.ForkLock.Unlock()
	udp, err := net.DialUDP("udp4", &net.UDPAddr{IP: ip, Port: port}, &net.UDPAddr{IP: ip, Port: p.port})
	if err != nil {
		t.Fatal(err)
	}
	p.do("peer %d", udp.LocalAddr().(*net.UDPAddr).Port)
	return &tap{Conn: link.Over(udp, conditions, t.Name())}
}
