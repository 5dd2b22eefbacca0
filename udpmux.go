//go:build !js

package sluice

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/sluice-rtc/sluice/internal/udpmux"
	"github.com/sluice-rtc/sluice/internal/udpsock"
)

// A UDPMux is UDP sockets that any number of connections share, all with one port
// number: a server behind a firewall opens one port for all its peers. Make one, and put it
// into the Config of each Transport or PeerConnection.
//
// Packets find their connection by the user fragment of ICE, and then by the peer's
// address. Two programs that each have all their connections on one port should have one
// connection between them, or few: DTLS does not say which of several a packet is of, so each of
// them has to try to open it. Up to 16 come about, also at the same time; the next fails with
// ErrUDPMuxFull.
//
// All methods may be called from any goroutine.
type UDPMux struct {
	mux *udpmux.Mux
}

// UDPMuxConfig configures a UDPMux. The zero value works.
type UDPMuxConfig struct {
	// Port is the port number. Default: one that the system chooses.
	Port uint16

	// Addresses are the local addresses to listen at, none of them unspecified
	// (0.0.0.0, ::). Each is a host candidate of every connection. Default: those
	// that the interfaces but loopback have now. An address that comes later needs
	// another UDPMux.
	Addresses []netip.Addr

	// ReceiveBuffer and SendBuffer are asked of the system for each socket, in
	// bytes. Default 8 MiB. Systems have limits of their own, which a server
	// may want to raise (on Linux net.core.rmem_max and wmem_max).
	ReceiveBuffer, SendBuffer int

	// ReceiveDelay, if not 0, lets datagrams gather in a socket for up to so long before they are
	// read, and answered, together: interrupt moderation, as network cards have it. That saves
	// processor time where many connections receive a little each, and costs up to so
	// much latency. Where datagrams come less often than once in two ReceiveDelays none waits. With 5 ms
	// 50 peers that send 1 Mbit/s each have taken up to 40 % less; with 1 ms nothing is gained, as the wake-ups of a
	// timer cost, too (docs/SCALE.md).
	//
	// It is not for bulk: see sctpnet.ListenConfig. The socket's receive buffer has to hold what comes meanwhile.
	//
	// At most 100 ms. It has no effect on systems other than Linux. Default 0.
	ReceiveDelay time.Duration
}

const defaultSharedBuffer = 8 << 20

// NewUDPMux opens the sockets. The error is a *ConfigError, or the system's.
func NewUDPMux(cfg UDPMuxConfig) (*UDPMux, error) {
	setDefault(&cfg.ReceiveBuffer, defaultSharedBuffer)
	setDefault(&cfg.SendBuffer, defaultSharedBuffer)
	switch {
	case cfg.ReceiveBuffer < 0:
		return nil, &ConfigError{Field: "UDPMuxConfig.ReceiveBuffer", Rule: "must not be negative"}
	case cfg.SendBuffer < 0:
		return nil, &ConfigError{Field: "UDPMuxConfig.SendBuffer", Rule: "must not be negative"}
	case cfg.ReceiveDelay < 0, cfg.ReceiveDelay > udpsock.MaxDelay:
		return nil, &ConfigError{Field: "UDPMuxConfig.ReceiveDelay", Rule: "must be 0 to 100 ms"}
	}
	addrs, err := cfg.addresses()
	if err != nil {
		return nil, err
	}
	m := udpmux.New(udpmux.Config{Shared: true, ReceiveBuffer: cfg.ReceiveBuffer, SendBuffer: cfg.SendBuffer, ReceiveDelay: cfg.ReceiveDelay})
	if err := m.Listen(addrs, cfg.Port); err != nil {
		m.Close()
		return nil, fmt.Errorf("sluice: %w", err)
	}
	return &UDPMux{m}, nil
}

// addresses returns what to listen at.
func (cfg *UDPMuxConfig) addresses() ([]netip.Addr, error) {
	var addrs []netip.Addr
	for _, a := range cfg.Addresses {
		a = a.Unmap()
		if !a.IsValid() || a.IsUnspecified() || a.IsMulticast() {
			return nil, &ConfigError{Field: "UDPMuxConfig.Addresses", Rule: fmt.Sprintf("%v is not an address of this host", a)}
		}
		if slices.Contains(addrs, a) {
			return nil, &ConfigError{Field: "UDPMuxConfig.Addresses", Rule: fmt.Sprintf("has %v twice", a)}
		}
		addrs = append(addrs, a)
	}
	if len(addrs) > 0 {
		return addrs, nil
	}
	if addrs = interfaceAddresses(newLogFactory(nil).scoped("ice"), nil, false); len(addrs) == 0 {
		return nil, &ConfigError{Field: "UDPMuxConfig.Addresses", Rule: "must be given where no interface but loopback has one"}
	}
	return addrs, nil
}

// Addrs returns the addresses that the sockets have.
func (m *UDPMux) Addrs() []netip.AddrPort { return m.mux.Addrs() }

// UDPMuxStats count the datagrams that no connection got.
type UDPMuxStats struct {
	Connections int    `json:"connections"` // that gather or have gathered, each restart of ICE counted until it is done
	Strangers   uint64 `json:"strangers"`   // from addresses that belong to no connection, or naming none
	Malformed   uint64 `json:"malformed"`   // STUN that is broken
	Unknown     uint64 `json:"unknown"`     // neither DTLS nor STUN of a kind that is used
	QueueFull   uint64 `json:"queueFull"`   // STUN of which too much came in at once
	ReadErrors  uint64 `json:"readErrors"`  // reads that failed
}

// Stats returns the statistics.
func (m *UDPMux) Stats() UDPMuxStats {
	s := m.mux.Stats()
	return UDPMuxStats{Connections: s.Sessions, Strangers: s.Strangers, Malformed: s.Malformed, Unknown: s.Unknown,
		QueueFull: s.QueueFull, ReadErrors: s.ReadErrors}
}

// Close closes the sockets. Close the connections first: those that are left lose
// what they send, until ICE finds out that they have failed.
func (m *UDPMux) Close() error { return m.mux.Close() }

// open reports whether connections can be made over it.
func (m *UDPMux) open() bool { return m.mux != nil && m.mux.Open() }
