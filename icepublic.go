//go:build !js

package sluice

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/pion/ice/v2"
)

// publicAddresses returns PublicAddresses with IPv4 as IPv4, or the rule that they break.
func (cfg *Config) publicAddresses() (map[netip.Addr]netip.Addr, error) {
	broken := func(format string, args ...any) error {
		return &ConfigError{Field: "PublicAddresses", Rule: fmt.Sprintf(format, args...)}
	}
	if len(cfg.PublicAddresses) == 0 {
		return nil, nil
	}
	if cfg.ICETransportPolicy == ICETransportPolicyRelay {
		return nil, broken("goes without the relay policy, which has no host candidates")
	}
	hosts := cfg.hosts()
	known, locals := make(map[netip.Addr]netip.Addr), make(map[netip.Addr]netip.Addr)
	for local, public := range cfg.PublicAddresses {
		local, public = local.Unmap(), public.Unmap()
		_, again := known[local]
		twin, shared := locals[public]
		switch {
		case !slices.Contains(hosts, local):
			return nil, broken("%v is not a local address of host candidates", local)
		case !public.IsValid() || public.IsUnspecified() || public.IsMulticast() || public.Zone() != "":
			return nil, broken("%v, of %v, is not an address to be reached at", public, local)
		case local.Is4() != public.Is4():
			return nil, broken("%v and %v are not of one family", local, public)
		case again:
			return nil, broken("has %v twice", local)
		case shared:
			return nil, broken("has %v for both %v and %v", public, twin, local)
		}
		known[local], locals[public] = public, local
	}
	return known, nil
}

// hosts returns the addresses that host candidates can have, be they filtered out or not.
func (cfg *Config) hosts() []netip.Addr {
	var addrs []netip.Addr
	if cfg.UDPMux != nil {
		for _, a := range cfg.UDPMux.Addrs() {
			addrs = append(addrs, a.Addr())
		}
	}
	if cfg.UDPMux == nil || cfg.hasNetwork("tcp4", "tcp6") {
		addrs = append(addrs, interfaceAddresses(newLogFactory(cfg.Logger).scoped("ice"), nil, cfg.IncludeLoopback)...)
	}
	return addrs
}

// announced returns a candidate of ours as the peer is to know it, and whether that is at a public
// address in place of a local one; nil if the peer knows it already.
//
// The agent knows nothing of public addresses, and need not: what the peer sends there the NAT brings to the
// local candidate, and what that sends comes from the public address. A server-reflexive candidate of the agent's
// would only give it pairs that are those of its base (RFC 8445, section 6.1.2.4). The peer is told of a host candidate,
// not of a server-reflexive one, since an agent that is lite has no others (section 2.5), of TCP candidates many
// peers take no others, and a controlling peer need not wait whether there is something better.
func (cfg *Config) announced(c ice.Candidate) (_ ice.Candidate, public bool, err error) {
	switch c.Type() {
	case ice.CandidateTypeHost:
		at, ok := cfg.publicAddress(c.Address())
		if !ok {
			return c, false, nil
		}
		c, err = ice.NewCandidateHost(&ice.CandidateHostConfig{Network: c.NetworkType().NetworkShort(), Address: at.String(),
			Port: c.Port(), Component: c.Component(), Priority: c.Priority(), TCPType: c.TCPType()})
		return c, true, err
	case ice.CandidateTypeServerReflexive:
		// What a STUN server says, too, is redundant (section 5.1.3).
		base := c.RelatedAddress()
		if base == nil || base.Port != c.Port() {
			return c, false, nil
		}
		if at, ok := cfg.publicAddress(base.Address); ok && at.String() == c.Address() {
			return nil, true, nil
		}
	}
	return c, false, nil
}

// publicAddress returns the public address of a local one, if there is one.
func (cfg *Config) publicAddress(local string) (netip.Addr, bool) {
	a, err := netip.ParseAddr(local)
	if err != nil {
		return netip.Addr{}, false
	}
	public, ok := cfg.PublicAddresses[a.Unmap()]
	return public, ok
}
