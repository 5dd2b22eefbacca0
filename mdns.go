package sluice

import (
	"context"
	"errors"
	"net"
	"sync"
	"time"

	"github.com/pion/mdns"
	"golang.org/x/net/ipv4"
)

// mdnsTimeout bounds the search for one .local name.
const mdnsTimeout = 10 * time.Second

// mdnsResolver finds the address behind the .local names that browsers put into
// candidates instead of addresses. Its socket is opened for the first name, not
// with every agent as the ICE library would.
type mdnsResolver struct {
	loopback bool // ask on loopback interfaces, too
	log      logFactory

	mu     sync.Mutex
	conn   *mdns.Conn
	closed bool
}

// resolve asks for name until it is answered, ctx ends or time is up.
func (r *mdnsResolver) resolve(ctx context.Context, name string) (net.IP, error) {
	conn, err := r.open()
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithTimeout(ctx, mdnsTimeout)
	defer cancel()
	_, addr, err := conn.Query(ctx, name)
	if err != nil {
		return nil, err
	}
	switch a := addr.(type) {
	case *net.IPAddr:
		return a.IP, nil
	case *net.UDPAddr:
		return a.IP, nil
	}
	return nil, errors.New("answer without an address")
}

func (r *mdnsResolver) open() (*mdns.Conn, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return nil, net.ErrClosed
	}
	if r.conn != nil {
		return r.conn, nil
	}
	group, err := net.ResolveUDPAddr("udp4", mdns.DefaultAddress)
	if err != nil {
		return nil, err
	}
	l, err := net.ListenUDP("udp4", group)
	if err != nil {
		return nil, err
	}
	conn, err := mdns.Server(ipv4.NewPacketConn(l), &mdns.Config{IncludeLoopback: r.loopback, LoggerFactory: r.log})
	if err != nil {
		l.Close()
		return nil, err
	}
	r.conn = conn
	return conn, nil
}

func (r *mdnsResolver) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.closed = true
	if r.conn != nil {
		r.conn.Close()
	}
}
