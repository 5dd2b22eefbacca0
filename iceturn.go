//go:build !js

package sluice

import (
	"encoding/binary"
	"net/netip"
	"sync"

	"github.com/pion/stun"

	"github.com/sluice-rtc/sluice/internal/stunmsg"
)

// turnTap sees the STUN messages between agent and peer that go through a TURN
// server, which are inside of what goes to the server and comes from it (RFC 8656,
// sections 11 and 12), and can send there. It stands for the relayed address.
type turnTap struct {
	tap   stunTap
	write func(b []byte) error // to the server

	mu       sync.Mutex
	relayed  netip.AddrPort
	channels map[uint16]netip.AddrPort // as the agent has bound them
}

// maxChannels bounds the channels that are remembered.
const maxChannels = 2 * maxRemoteCandidates

// Types of TURN messages (RFC 8656, section 17).
var (
	turnAllocated   = stun.NewType(stun.MethodAllocate, stun.ClassSuccessResponse)
	turnChannelBind = stun.NewType(stun.MethodChannelBind, stun.ClassRequest)
	turnSend        = stun.NewType(stun.MethodSend, stun.ClassIndication)
	turnData        = stun.NewType(stun.MethodData, stun.ClassIndication)
)

// newTURNTap returns nil if there is nobody to show anything to.
func newTURNTap(tap stunTap, write func(b []byte) error) *turnTap {
	if tap == nil {
		return nil
	}
	return &turnTap{tap: tap, write: write, channels: make(map[uint16]netip.AddrPort)}
}

// toServer is shown what the agent sends to the server.
func (t *turnTap) toServer(b []byte) {
	if t == nil {
		return
	}
	m := stun.Message{Raw: b}
	if stun.IsMessage(b) && m.Decode() == nil && m.Type == turnChannelBind {
		if n := mustGet(&m, stun.AttrChannelNumber); len(n) == 4 {
			t.bind(binary.BigEndian.Uint16(n), peerAddress(&m))
		}
		return
	}
	if inner, _ := t.unwrap(b); stun.IsMessage(inner) {
		t.tap.outgoing(inner, t)
	}
}

func (t *turnTap) bind(channel uint16, peer netip.AddrPort) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if peer.IsValid() && len(t.channels) < maxChannels {
		t.channels[channel] = peer
	}
}

// fromServer is shown what came from the server; true: it is not for the agent.
func (t *turnTap) fromServer(b []byte) bool {
	if t == nil {
		return false
	}
	m := stun.Message{Raw: b}
	if stun.IsMessage(b) && m.Decode() == nil && m.Type == turnAllocated {
		var a stun.XORMappedAddress
		if a.GetFromAs(&m, stun.AttrXORRelayedAddress) == nil {
			t.mu.Lock()
			t.relayed = xorAddress(a)
			t.mu.Unlock()
		}
		return false
	}
	inner, peer := t.unwrap(b)
	return stun.IsMessage(inner) && stunmsg.Admit(inner) && t.tap.incoming(inner, peer)
}

// unwrap returns what a message carries to or from a peer, nil if nothing.
func (t *turnTap) unwrap(b []byte) (inner []byte, peer netip.AddrPort) {
	if len(b) >= 4 && b[0]>>4 == 4 { // ChannelData
		size := int(binary.BigEndian.Uint16(b[2:]))
		if len(b) < 4+size {
			return nil, peer
		}
		t.mu.Lock()
		defer t.mu.Unlock()
		return b[4 : 4+size], t.channels[binary.BigEndian.Uint16(b)]
	}
	m := stun.Message{Raw: b}
	if !stun.IsMessage(b) || m.Decode() != nil || m.Type != turnSend && m.Type != turnData {
		return nil, peer
	}
	return mustGet(&m, stun.AttrData), peerAddress(&m)
}

// peerAddress returns the peer that a message is about, invalid if none.
func peerAddress(m *stun.Message) netip.AddrPort {
	var a stun.XORMappedAddress
	if a.GetFromAs(m, stun.AttrXORPeerAddress) != nil {
		return netip.AddrPort{}
	}
	return xorAddress(a)
}

func xorAddress(a stun.XORMappedAddress) netip.AddrPort {
	addr, _ := netip.AddrFromSlice(a.IP)
	return netip.AddrPortFrom(addr.Unmap(), uint16(a.Port))
}

// localAddr and sendCheck are those of checkSender. The agent has asked for a
// permission for the peer before its first check.
func (t *turnTap) localAddr() netip.AddrPort {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.relayed
}

func (t *turnTap) sendCheck(b []byte, to netip.AddrPort) error {
	m := stun.New()
	if err := m.Build(stun.TransactionID, turnSend); err != nil {
		return err
	}
	peer := stun.XORMappedAddress{IP: to.Addr().AsSlice(), Port: int(to.Port())}
	if err := peer.AddToAs(m, stun.AttrXORPeerAddress); err != nil {
		return err
	}
	m.Add(stun.AttrData, b)
	m.WriteHeader()
	return t.write(m.Raw)
}
