package usrsctp

import (
	"context"
	"errors"
	"net"
	"os"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// testTime bounds each test. Only a defect runs into it, however loaded the machine.
const testTime = 60 * time.Second

// testContext is the context of a test: it ends with the test, and after testTime.
func testContext(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), testTime)
	t.Cleanup(cancel)
	return ctx
}

// assoc is our side of an association.
type assoc struct {
	*sctpnet.Conn
	t      *testing.T
	ctx    context.Context
	tap    *tap
	events *inbox[sctp.EventKind, sctp.Event]
}

// A role says who starts the handshake.
type role string

const (
	weConnect    role = "we connect"
	theyConnect  role = "usrsctp connects"
	bothConnect  role = "both connect"
	conn              = "conn" // usrsctp sees an AF_CONN address
	encapsulated      = "udp"  // usrsctp does UDP encapsulation (RFC 6951)
)

// A setup is how to set up an association. The zero value is one that we start, in
// usrsctp's conn mode, over the loopback interface as it is.
type setup struct {
	role       role
	mode       string
	conditions *netsim.Conditions
	cfg        sctp.Config // with timers fit for a test where zero
	options    []string    // of the peer
}

// config returns the configuration with short timers.
func (s setup) config() sctp.Config {
	c := s.cfg
	c.RemotePort = 5001 // that of peer.c
	c.RTOInitial, c.RTOMin, c.RTOMax = 100*time.Millisecond, 100*time.Millisecond, time.Second
	c.SackDelay = 20 * time.Millisecond
	return c
}

// start starts a usrsctp as the setup says.
func (s setup) start(t *testing.T, ctx context.Context) *peer {
	t.Helper()
	return s.startAt(t, ctx, freePort(t))
}

// startAt is start with a given UDP port.
func (s setup) startAt(t *testing.T, ctx context.Context, port int) *peer {
	t.Helper()
	options := s.options
	if s.mode == encapsulated {
		options = append([]string{"mode=udp"}, options...)
	}
	return startPeer(t, ctx, port, options...)
}

// lastPort is the last UDP port given out.
var lastPort atomic.Uint32

// freePort returns a UDP port that is free, and of those that systems do not give out
// by themselves, so that it stays so.
func freePort(t *testing.T) int {
	t.Helper()
	// A process being started would inherit the socket, and keep the port for a moment.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	const first, ports = 20000, 10000
	for range ports {
		port := first + (os.Getpid()*64+int(lastPort.Add(1)))%ports
		c, err := net.ListenUDP("udp4", &net.UDPAddr{Port: port})
		if err == nil {
			_ = c.Close()
			return port
		}
	}
	t.Fatal("no UDP port is free")
	return 0
}

// attach makes our side of an association over the tap.
func attach(t *testing.T, ctx context.Context, tap *tap, cfg sctp.Config, initiate bool) *assoc {
	t.Helper()
	a := &assoc{t: t, ctx: ctx, tap: tap, events: newInbox[sctp.EventKind, sctp.Event]()}
	onEvent := func(_ *sctpnet.Conn, e sctp.Event) { a.events.put(e.Kind, e) }
	var err error
	a.Conn, err = sctpnet.New(tap, sctpnet.Config{SCTP: cfg, OnEvent: onEvent}, initiate)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if t.Failed() {
			t.Logf("our side: %v, %v\n%+v", a.State(), a.Err(), a.Stats())
		}
		a.Abort("the test is over")
		<-a.Done()
	})
	return a
}

// connect establishes an association.
func connect(t *testing.T, ctx context.Context, s setup) (*assoc, *peer) {
	t.Helper()
	p := s.start(t, ctx)
	tap := dial(t, p, s.conditions, freePort(t))
	switch s.role {
	case theyConnect:
		p.do("connect")
	case bothConnect:
		p.do("connect")
		if err := tap.hold(); err != nil { // so that the INITs are sure to cross
			t.Fatal(err)
		}
	default:
		p.do("listen")
		p.next("listening")
	}
	a := attach(t, ctx, tap, s.config(), s.role != theyConnect)
	a.await(sctp.EventConnected)
	p.next("up")
	return a, p
}

// await waits for an event of the kind.
func (a *assoc) await(kind sctp.EventKind) sctp.Event {
	a.t.Helper()
	e, err := a.events.next(a.ctx, kind)
	if err != nil {
		a.t.Fatalf("no event %d: %v", kind, err)
	}
	return e
}

// see waits for what a tap watches for.
func (a *assoc) see(what string, seen <-chan struct{}) {
	a.t.Helper()
	select {
	case <-seen:
	case <-a.ctx.Done():
		a.t.Fatalf("never seen: %s", what)
	}
}

// ends waits for the end of the association and returns its error.
func (a *assoc) ends() error {
	a.t.Helper()
	select {
	case <-a.Done():
		return a.Err()
	case <-a.ctx.Done():
		a.t.Fatal("our side does not end")
		return nil
	}
}

// wantGraceful waits for the end of both sides and checks that it was a graceful one.
// Where packets get lost usrsctp must be the one that shuts down: our side is gone when
// its SHUTDOWN COMPLETE is sent, and would not repeat a lost one.
func wantGraceful(t *testing.T, a *assoc, p *peer) {
	t.Helper()
	if err := a.ends(); err != nil {
		t.Errorf("our side ends with %v, want a graceful end", err)
	}
	p.want("closed")
}

// read reads a whole message.
func (a *assoc) read(stream uint16) ([]byte, sctp.MessageInfo, error) {
	var message []byte
	buf := make([]byte, 64<<10)
	for {
		n, info, err := a.ReadMessage(a.ctx, stream, buf)
		message = append(message, buf[:n]...)
		switch {
		case errors.Is(err, sctp.ErrMessageAborted):
			message = nil
		case err != nil || info.Complete:
			return message, info, err
		}
	}
}
