package bench

import (
	"bufio"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"sync"
	"syscall"
	"testing"
	"time"
	"unsafe"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// A fleet is the other end of many associations: a process of its own, so that the
// end that is measured is alone in its own. It connects, says so, waits for a line on
// its input, sends, and says what it took.
type fleet struct {
	Addr     string  // of the Listener
	N        int     // associations
	Sockets  bool    // each has a socket, by sctpnet.Dial; else one serves all
	Bare     bool    // messages are sent as they are, and answers taken and thrown away
	Size     int     // of messages, bytes
	Rate     float64 // messages in a second, of all associations
	Seconds  float64 // how long it sends
	InFlight int     // handshakes at a time
}

// fleetResult is what a fleet says at its end.
type fleetResult struct {
	CPU  float64 // seconds, while it sent
	Sent int
}

const fleetVariable = "SLUICE_BENCH_FLEET"

// TestFleet is the fleet's process.
func TestFleet(t *testing.T) {
	var f fleet
	if os.Getenv(fleetVariable) == "" {
		t.Skip("started by TestScale")
	}
	if err := json.Unmarshal([]byte(os.Getenv(fleetVariable)), &f); err != nil {
		t.Fatal(err)
	}
	var send func(i int, message []byte) error
	switch {
	case f.Bare && f.Sockets:
		send = f.bare(t)
	case f.Bare:
		send = f.shareBare(t)
	case f.Sockets:
		send = f.dial(t)
	default:
		send = f.share(t)
	}
	fmt.Println("connected")
	if !bufio.NewScanner(os.Stdin).Scan() {
		return
	}
	cpu, start := cpuTime(), time.Now()
	sent, message := 0, make([]byte, max(f.Size, 8))
	tick := time.NewTicker(time.Millisecond)
	defer tick.Stop()
	for now := range tick.C {
		since := now.Sub(start).Seconds()
		if since > f.Seconds {
			break
		}
		for ; float64(sent) < since*f.Rate; sent++ {
			binary.BigEndian.PutUint64(message, uint64(time.Now().UnixNano()))
			if err := send(sent%f.N, message); err != nil && err != sctp.ErrSendBufferFull { // that one stays behind
				t.Fatal(err)
			}
		}
	}
	result, _ := json.Marshal(fleetResult{(cpuTime() - cpu).Seconds(), sent})
	fmt.Println(string(result))
}

// dial connects each association from a socket of its own.
func (f *fleet) dial(t *testing.T) func(int, []byte) error {
	conns := make([]*sctpnet.Conn, f.N)
	for i := range conns {
		c, err := sctpnet.Dial(t.Context(), "udp4", f.Addr, sctpnet.Config{})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Abort("") })
		conns[i] = c
	}
	return func(i int, message []byte) error {
		return conns[i].TryWriteMessage(sctp.Message{Payload: message})
	}
}

// bare has a socket for each, without SCTP.
func (f *fleet) bare(t *testing.T) func(int, []byte) error {
	to, err := net.ResolveUDPAddr("udp4", f.Addr)
	if err != nil {
		t.Fatal(err)
	}
	conns := make([]*net.UDPConn, f.N)
	for i := range conns {
		c, err := net.DialUDP("udp4", nil, to)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { c.Close() })
		go func() {
			answer := make([]byte, 2048)
			for err := error(nil); err == nil; {
				_, err = c.Read(answer)
			}
		}()
		conns[i] = c
	}
	return func(i int, message []byte) error {
		_, err := conns[i].Write(message)
		return err
	}
}

// A harbour is one socket for a fleet, each association of which has an address of
// loopback to itself.
type harbour struct {
	mu      sync.Mutex
	ep      *sctp.Endpoint
	ids     []sctp.AssociationID
	up      chan struct{} // capacity 1: one more is connected
	waiting int           // handshakes under way
	socket  *net.UDPConn
	server  netip.AddrPort
	buf     []byte
	control []byte // to send with
}

// newHarbour returns one without associations.
func (f *fleet) newHarbour(t *testing.T) *harbour {
	socket, err := net.ListenUDP("udp4", nil)
	if err != nil {
		t.Fatal(err)
	}
	socket.SetReadBuffer(8 << 20)
	raw, err := socket.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	raw.Control(func(fd uintptr) {
		err = syscall.SetsockoptInt(int(fd), syscall.IPPROTO_IP, syscall.IP_PKTINFO, 1)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { socket.Close() })
	return &harbour{socket: socket, server: netip.MustParseAddrPort(f.Addr), up: make(chan struct{}, 1), buf: make([]byte, 0, 2048),
		control: make([]byte, syscall.CmsgSpace(12))}
}

// shareBare is share without SCTP.
func (f *fleet) shareBare(t *testing.T) func(int, []byte) error {
	h := f.newHarbour(t)
	go func() {
		answer := make([]byte, 2048)
		for err := error(nil); err == nil; {
			_, err = h.socket.Read(answer)
		}
	}()
	return func(i int, message []byte) error { return h.write(numbered(i).Addr(), message) }
}

// share connects all associations from one socket.
func (f *fleet) share(t *testing.T) func(int, []byte) error {
	h := f.newHarbour(t)
	var err error
	h.ep, err = sctp.NewEndpoint(sctp.EndpointConfig{
		Config:          sctp.Config{Seed: [32]byte{1, 2, 3}, HeartbeatInterval: -1, MaxMTU: -1},
		MaxAssociations: f.N, MaxHalfOpen: f.InFlight,
	})
	if err != nil {
		t.Fatal(err)
	}
	go h.read()
	go h.tick(t.Context())
	h.ids = make([]sctp.AssociationID, f.N)
	for i := range h.ids {
		h.mu.Lock()
		for h.waiting >= f.InFlight-1 {
			h.mu.Unlock()
			<-h.up
			h.mu.Lock()
		}
		h.waiting++
		if h.ids[i], err = h.ep.Connect(time.Now(), numbered(i)); err != nil {
			t.Fatal(err)
		}
		h.flush(time.Now())
		h.mu.Unlock()
	}
	for {
		h.mu.Lock()
		waiting := h.waiting
		h.mu.Unlock()
		if waiting == 0 {
			break
		}
		<-h.up
	}
	return func(i int, message []byte) error {
		h.mu.Lock()
		defer h.mu.Unlock()
		now := time.Now()
		if err := h.ep.Association(h.ids[i]).SendCopy(now, sctp.Message{Payload: message}); err != nil {
			return err
		}
		h.ep.Update(h.ids[i])
		h.flush(now)
		return nil
	}
}

// read takes what comes in: the address that it came to tells the association.
func (h *harbour) read() {
	packet, control := make([]byte, 2048), make([]byte, 64)
	for {
		n, oob, _, _, err := h.socket.ReadMsgUDPAddrPort(packet, control)
		if err != nil {
			return
		}
		to := netip.AddrFrom4([4]byte(control[syscall.CmsgLen(8):oob][:4])) // struct in_pktinfo: ipi_addr
		h.mu.Lock()
		now := time.Now()
		h.ep.HandlePacket(now, netip.AddrPortFrom(to, 9899), packet[:n])
		h.flush(now)
		h.mu.Unlock()
	}
}

// tick looks after the timers.
func (h *harbour) tick(ctx context.Context) {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for ctx.Err() == nil {
		<-tick.C
		h.mu.Lock()
		now := time.Now()
		if at, ok := h.ep.Timeout(); ok && !at.After(now) {
			h.ep.HandleTimeout(now)
			h.flush(now)
		}
		h.mu.Unlock()
	}
}

// write sends a datagram from an address.
func (h *harbour) write(from netip.Addr, packet []byte) error {
	m := (*syscall.Cmsghdr)(unsafe.Pointer(&h.control[0]))
	m.Level, m.Type = syscall.IPPROTO_IP, syscall.IP_PKTINFO
	m.SetLen(syscall.CmsgLen(12))
	source := from.As4()
	copy(h.control[syscall.CmsgLen(4):], source[:]) // ipi_spec_dst
	_, _, err := h.socket.WriteMsgUDPAddrPort(packet, h.control, h.server)
	return err
}

// flush sends what there is to send, and takes the events. The lock is held.
func (h *harbour) flush(now time.Time) {
	for {
		d, ok := h.ep.Transmit(now, h.buf)
		if !ok {
			break
		}
		_ = h.write(d.To.Addr(), d.Packet) // else it is lost
	}
	for e, ok := h.ep.NextEvent(); ok; e, ok = h.ep.NextEvent() {
		if e.Kind == sctp.EventConnected {
			h.waiting--
			select {
			case h.up <- struct{}{}:
			default:
			}
		}
	}
}

// A launched fleet is a process.
type launched struct {
	cmd   *exec.Cmd
	in    *os.File
	lines *bufio.Scanner
}

// launch starts the fleet's process.
func (f fleet) launch(t *testing.T) *launched {
	text, _ := json.Marshal(f)
	l := &launched{cmd: exec.Command(os.Args[0], "-test.run=^TestFleet$", "-test.v", "-test.timeout=5m")}
	l.cmd.Env = append(os.Environ(), fleetVariable+"="+string(text))
	l.cmd.Stderr = os.Stderr
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	l.cmd.Stdin, l.in = read, write
	out, err := l.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := l.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read.Close()
	l.lines = bufio.NewScanner(out)
	t.Cleanup(func() {
		l.in.Close()
		l.cmd.Wait()
	})
	return l
}

// await waits for a line that f accepts.
func (l *launched) await(t *testing.T, f func(line string) bool) {
	for l.lines.Scan() {
		if f(l.lines.Text()) {
			return
		}
		if line := l.lines.Text(); len(line) > 6 && line[:6] == "    fl" { // a failure
			t.Log(line)
		}
	}
	t.Fatal("the other process has ended")
}

func (l *launched) connected(t *testing.T) {
	l.await(t, func(line string) bool { return line == "connected" })
}

// work has the fleet send, and returns what it says then.
func (l *launched) work(t *testing.T) (r fleetResult) {
	fmt.Fprintln(l.in, "go")
	l.await(t, func(line string) bool { return json.Unmarshal([]byte(line), &r) == nil })
	return r
}
