package website

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
)

// URL is where browsers find what listens at an address: also those of other machines, if it listens at
// all addresses of this one. The error says that it has none which others reach; the URL is for this machine then.
func URL(at net.Addr) (string, error) {
	host := at.(*net.TCPAddr).AddrPort()
	host = netip.AddrPortFrom(host.Addr().Unmap(), host.Port())
	if host.Addr().IsUnspecified() {
		ip, err := outwardIP()
		if err != nil {
			return fmt.Sprintf("http://localhost:%d", host.Port()), err
		}
		host = netip.AddrPortFrom(ip, host.Port())
	}
	return "http://" + host.String(), nil
}

// outwardIP is the first address of an interface that is not loopback, IPv4 if there is one.
func outwardIP() (netip.Addr, error) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		return netip.Addr{}, err
	}
	var best netip.Addr
	for _, a := range addrs {
		n, ok := a.(*net.IPNet)
		if !ok {
			continue
		}
		ip, _ := netip.AddrFromSlice(n.IP)
		if ip = ip.Unmap(); !ip.IsGlobalUnicast() {
			continue
		}
		if !best.IsValid() || best.Is6() && ip.Is4() {
			best = ip
		}
	}
	if !best.IsValid() {
		return best, errors.New("there is no network")
	}
	return best, nil
}
