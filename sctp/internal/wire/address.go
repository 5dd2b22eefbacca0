package wire

import "net/netip"

// Addr decodes an IPv4 or IPv6 Address parameter (RFC 9260, sections 3.3.2.1.1
// and 3.3.2.1.2). An IPv4-mapped address, which no peer may send, comes back as
// one for the association to judge.
func (p Param) Addr() (netip.Addr, error) {
	switch {
	case p.Type() != ParamIPv4 && p.Type() != ParamIPv6:
		return netip.Addr{}, ErrType
	case p.Type() == ParamIPv4 && len(p) == paramHeaderLen+4, p.Type() == ParamIPv6 && len(p) == paramHeaderLen+16:
		a, _ := netip.AddrFromSlice(p.Value())
		return a, nil
	}
	return netip.Addr{}, ErrLength
}

// AppendAddr appends an address parameter. An IPv4-mapped address goes out as
// IPv4: "A sender MUST NOT use an IPv4-mapped IPv6 address" (RFC 9260, section
// 3.3.2.1.2). A zone is left out.
func AppendAddr(b []byte, chunk int, a netip.Addr) []byte {
	if a = a.Unmap(); a.Is4() {
		v := a.As4()
		return AppendParam(b, chunk, ParamIPv4, v[:])
	}
	v := a.As16()
	return AppendParam(b, chunk, ParamIPv6, v[:])
}

// HostName returns the value of a Host Name Address parameter with the zeros that
// end it, one at least (RFC 9260, section 3.3.2.1.4). It is deprecated: who
// receives one aborts, and nothing here sends it.
func (p Param) HostName() ([]byte, error) {
	if p.Type() != ParamHostName {
		return nil, ErrType
	}
	if v := p.Value(); len(v) > 0 && v[len(v)-1] == 0 {
		return v, nil
	}
	return nil, ErrLength
}
