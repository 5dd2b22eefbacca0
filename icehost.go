//go:build !js

package sluice

import (
	"fmt"
	"net"
	"net/netip"
	"slices"

	"github.com/pion/ice/v2"
	"github.com/pion/transport/v2"
	"github.com/pion/transport/v2/stdnet"
)

// gather opens the ports of host candidates, and starts the agent's gathering.
func (g *iceGeneration) gather(agent *ice.Agent) {
	cfg := g.t.cfg
	if cfg.ICETransportPolicy != ICETransportPolicyRelay {
		if err := g.ports.Listen(g.hostAddresses(), cfg.PortMin, cfg.PortMax); err != nil {
			g.t.log.Warnf("host candidates: %v", err)
		}
	}
	if err := agent.GatherCandidates(); err != nil {
		g.t.log.Infof("gathering: %v", err) // closed meanwhile
	}
}

// hostAddresses returns the local addresses that host candidates are gathered at:
// those of a shared UDPMux, or of the interfaces.
func (g *iceGeneration) hostAddresses() []netip.Addr {
	cfg := g.t.cfg
	var addrs []netip.Addr
	if cfg.UDPMux != nil {
		for _, a := range cfg.UDPMux.Addrs() {
			addrs = append(addrs, a.Addr())
		}
	} else {
		addrs = interfaceAddresses(g.t.log, cfg.InterfaceFilter, cfg.IncludeLoopback)
	}
	return slices.DeleteFunc(addrs, func(a netip.Addr) bool {
		network := "udp4"
		if a.Is6() {
			network = "udp6"
		}
		return !slices.Contains(cfg.NetworkTypes, network) || cfg.IPFilter != nil && !cfg.IPFilter(net.IP(a.AsSlice()))
	})
}

// interfaceAddresses returns the addresses of the interfaces that are up and pass the
// filter, if there is one. Of IPv6 it leaves out what is of no use elsewhere: addresses of the link
// and of the site (RFC 8445, section 5.1.1.1).
func interfaceAddresses(log scopedLogger, filter func(name string) bool, loopback bool) []netip.Addr {
	interfaces, err := hostInterfaces()
	if err != nil {
		log.Warnf("network interfaces: %v", err)
		return nil
	}
	var addrs []netip.Addr
	for _, i := range interfaces {
		if i.Flags&net.FlagUp == 0 || i.Flags&net.FlagLoopback != 0 && !loopback || filter != nil && !filter(i.Name) {
			continue
		}
		list, err := i.Addrs()
		if err != nil {
			log.Warnf("addresses of interface %s: %v", i.Name, err)
			continue
		}
		for _, entry := range list {
			ipnet, ok := entry.(*net.IPNet)
			if !ok {
				continue
			}
			a, ok := netip.AddrFromSlice(ipnet.IP)
			if a = a.Unmap(); ok && usable(a, loopback) && !slices.Contains(addrs, a) {
				addrs = append(addrs, a)
			}
		}
	}
	return addrs
}

// allInterfaces returns the interfaces as the net package knows them.
func allInterfaces() ([]*transport.Interface, error) {
	now, err := stdnet.NewNet()
	if err != nil {
		return nil, fmt.Errorf("sluice: network interfaces: %w", err)
	}
	return now.Interfaces()
}

// siteLocal are addresses that RFC 3879 deprecates.
var siteLocal = netip.MustParsePrefix("fec0::/10")

func usable(a netip.Addr, loopback bool) bool {
	switch {
	case a.IsUnspecified(), a.IsMulticast(), siteLocal.Contains(a), a.Is6() && a.IsLinkLocalUnicast():
		return false
	}
	return loopback || !a.IsLoopback()
}
