//go:build !js

package sluice

import (
	"sync"
	"syscall"

	"github.com/sluice-rtc/sluice/internal/udpsock"
)

// iceMarks marks what goes from sockets that are no ports with the codepoint of Differentiated Services that
// these have: of TURN clients over UDP, TCP and TLS, and of TCP candidates. A TURN server need not keep it. A
// stream carries all channels, so it has the one codepoint of the association (RFC
// 7657, section 5.1). Where the system does not let us, packets go unmarked.
type iceMarks struct {
	mu        sync.Mutex
	codepoint uint8
	sockets   map[syscall.Conn]struct{}
}

// add marks what the socket sends from now on.
func (m *iceMarks) add(c syscall.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.sockets == nil {
		m.sockets = make(map[syscall.Conn]struct{})
	}
	m.sockets[c] = struct{}{}
	if m.codepoint != 0 {
		_ = udpsock.SetDSCP(c, m.codepoint)
	}
}

// remove forgets a socket that is about to be closed.
func (m *iceMarks) remove(c syscall.Conn) {
	m.mu.Lock()
	defer m.mu.Unlock()
	delete(m.sockets, c)
}

// set changes the codepoint of all sockets, and those to come.
func (m *iceMarks) set(codepoint uint8) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.codepoint = codepoint
	for c := range m.sockets {
		_ = udpsock.SetDSCP(c, codepoint)
	}
}
