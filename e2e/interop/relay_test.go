package interop

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"regexp"
	"strings"
	"sync"
	"syscall"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A relay carries the packets of two sides to each other over a bad network. Each
// side is told a socket of the relay as the other's only candidate.
type relay struct {
	address  netip.Addr // of its sockets
	seed     uint64
	sides    [2]relaySide
	silencer *silencer // nil: none

	mu    sync.Mutex
	ends  []*netsim.Conn
	conns []*net.UDPConn
	done  bool
}

// A relaySide is the socket that one side sends to.
type relaySide struct {
	conn      *net.UDPConn
	conducted map[netip.AddrPort]*netsim.Conn // from each address of the side, the way to the other side
}

// newRelay opens the sockets. The network has these conditions in both directions.
func newRelay(address net.IP, seed uint64) (*relay, error) {
	from, _ := netip.AddrFromSlice(address)
	r := &relay{address: from.Unmap(), seed: seed}
	for i := range r.sides {
		conn, err := r.listen()
		if err != nil {
			r.close()
			return nil, err
		}
		r.sides[i] = relaySide{conn: conn, conducted: make(map[netip.AddrPort]*netsim.Conn)}
	}
	return r, nil
}

// relayBuffer is asked of the system for each socket, in bytes, so that only the relay
// loses packets.
const relayBuffer = 4 << 20

func (r *relay) listen() (*net.UDPConn, error) {
	conn, err := net.ListenUDP("udp4", net.UDPAddrFromAddrPort(netip.AddrPortFrom(r.address, 0)))
	if err == nil {
		_ = conn.SetReadBuffer(relayBuffer)
		r.conns = append(r.conns, conn)
	}
	return conn, err
}

// candidateLine matches a candidate of SDP: its component, transport, address, port and type.
var candidateLine = regexp.MustCompile(`(?m)^a=candidate:\S+ \d+ (\S+) \d+ (\S+) (\d+) typ (\S+).*\r?\n`)

// divert returns a description with all candidates replaced by one: the socket of the
// relay for the other side. From then on packets to that socket go to where the
// description said.
func (r *relay) divert(from int, sdp string, conditions netsim.Conditions) (string, error) {
	var to netip.AddrPort
	for _, m := range candidateLine.FindAllStringSubmatch(sdp, -1) {
		addr, err := netip.ParseAddrPort(m[2] + ":" + m[3])
		if err != nil || !strings.EqualFold(m[1], "udp") || m[4] != "host" || !addr.Addr().Is4() {
			continue
		}
		if to = addr; addr.Addr() == r.address {
			break // rather than one of loopback
		}
	}
	if !to.IsValid() {
		return "", fmt.Errorf("no host candidate over UDP and IPv4 to divert in:\n%s", sdp)
	}
	other := 1 - from
	go r.serve(other, to, conditions)
	port := r.sides[other].conn.LocalAddr().(*net.UDPAddr).Port
	line := fmt.Sprintf("a=candidate:1 1 udp 2130706431 %s %d typ host\r\n", r.address, port)
	placed := false
	return candidateLine.ReplaceAllStringFunc(sdp, func(string) string {
		if placed {
			return ""
		}
		placed = true
		return line
	}), nil
}

// serve carries what comes in at the socket for a side to an address, and back what comes from there. Each address
// that packets come from has a socket of its own on the other side, as behind a NAT.
func (r *relay) serve(side int, to netip.AddrPort, conditions netsim.Conditions) {
	s := &r.sides[side]
	buf := make([]byte, 1<<16)
	for {
		n, from, err := s.conn.ReadFromUDPAddrPort(buf)
		if errors.Is(err, syscall.ECONNREFUSED) {
			continue
		} else if err != nil {
			return
		}
		way := s.conducted[from]
		if way == nil {
			if way, err = r.conduct(side, from, to, conditions); err != nil {
				return
			}
			s.conducted[from] = way
		}
		if !r.silencer.loses(side, buf[:n]) {
			_, _ = way.Write(buf[:n])
		}
	}
}

// conduct makes the way between an address of one side and the other side.
func (r *relay) conduct(side int, from, to netip.AddrPort, conditions netsim.Conditions) (*netsim.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.done {
		return nil, net.ErrClosed
	}
	beyond, err := r.listen()
	if err != nil {
		return nil, err
	}
	s := &r.sides[side]
	r.seed++
	near, far := netsim.Pipe(netsim.PipeConfig{Seed: r.seed, AtoB: conditions, BtoA: conditions, ReceiveQueue: relayBuffer})
	r.ends = append(r.ends, near, far)
	go pump(far, func(packet []byte) { _, _ = beyond.WriteToUDPAddrPort(packet, to) })
	go pump(near, func(packet []byte) { _, _ = s.conn.WriteToUDPAddrPort(packet, from) })
	go func() {
		buf := make([]byte, 1<<16)
		for {
			n, err := beyond.Read(buf)
			if err == nil {
				if !r.silencer.loses(1-side, buf[:n]) {
					_, _ = far.Write(buf[:n])
				}
			} else if !errors.Is(err, syscall.ECONNREFUSED) {
				return
			}
		}
	}()
	return near, nil
}

// pump hands over packets until the way is closed.
func pump(from *netsim.Conn, write func([]byte)) {
	buf := make([]byte, 1<<16)
	for {
		n, err := from.Read(buf)
		if err != nil {
			return
		}
		write(buf[:n])
	}
}

// improve changes the conditions of both directions, for packets from now on.
func (r *relay) improve(conditions netsim.Conditions) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, end := range r.ends {
		end.SetConditions(conditions)
	}
}

func (r *relay) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.done = true
	for _, conn := range r.conns {
		_ = conn.Close()
	}
	for _, end := range r.ends {
		_ = end.Close()
	}
}
