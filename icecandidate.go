//go:build !js

package sluice

import (
	"errors"
	"fmt"
	"hash/crc32"
	"net/netip"
	"slices"
	"strconv"
	"strings"

	"github.com/pion/ice/v2"
)

// canonicalCandidate checks a candidate line against RFC 8839, section 5.1, and
// returns it without prefix and extensions, tcptype included, since the library
// would connect to a passive candidate itself; "" if it is well formed but of a
// transport, component, type or address that is not used. For a .local name
// that name is returned, too.
func canonicalCandidate(line string) (canonical, local string, err error) {
	f := splitCandidate(line)
	switch {
	case len(line) > 1024:
		return "", "", errors.New("longer than 1024 bytes")
	case len(f) < 8 || f[6] != "typ":
		return "", "", errors.New(`want "foundation component transport priority address port typ type"`)
	case len(f[0]) > 32 || !isICEChars(f[0]):
		return "", "", errors.New("foundation is not 1 to 32 letters, digits, + or /")
	}
	component, err := strconv.ParseUint(f[1], 10, 16)
	if err != nil {
		return "", "", fmt.Errorf("component: %w", err)
	}
	if _, err := strconv.ParseUint(f[3], 10, 32); err != nil {
		return "", "", fmt.Errorf("priority: %w", err)
	}
	port, err := strconv.ParseUint(f[5], 10, 16)
	if err != nil {
		return "", "", fmt.Errorf("port: %w", err)
	}
	switch f[7] {
	case "host", "srflx", "prflx", "relay":
	default:
		return "", "", nil
	}
	// Of TCP candidates those count that listen; the others come to us.
	passive := strings.EqualFold(f[2], "tcp") && f[7] == "host" && tcpType(f) == "passive"
	if component != 1 || port == 0 || !strings.EqualFold(f[2], "udp") && !passive {
		return "", "", nil
	}
	if addr, err := netip.ParseAddr(f[4]); err == nil {
		if addr.IsUnspecified() || addr.IsMulticast() {
			return "", "", nil
		}
	} else if f[7] == "host" && strings.HasSuffix(f[4], ".local") && strings.Count(f[4], ".") == 1 {
		local = f[4]
	} else {
		return "", "", nil // RFC 8839, section 5.1: a name is ignored
	}
	f[2] = strings.ToLower(f[2])
	n := 8
	if len(f) >= 12 && f[8] == "raddr" && f[10] == "rport" {
		if _, err := strconv.ParseUint(f[11], 10, 16); err != nil {
			return "", "", fmt.Errorf("rport: %w", err)
		}
		n = 12
	}
	return strings.Join(f[:n], " "), local, nil
}

// describe writes a candidate of ours for the peer, "" if it is not to be told. If addresses of this host are
// to be hidden, host candidates have names in place of them, and no other
// candidate tells the address that it was made with
// (draft-ietf-mmusic-mdns-ice-candidates, section 3.1).
func (t *iceTransport) describe(c ice.Candidate) (string, error) {
	c, public, err := t.cfg.announced(c)
	if c == nil || err != nil {
		return "", err
	}
	line := c.Marshal()
	if !t.cfg.HideHostAddresses || public {
		return "candidate:" + line, nil
	}
	f := strings.Fields(line)
	if c.Type() == ice.CandidateTypeHost {
		addr, err := netip.ParseAddr(f[4])
		if err == nil {
			f[4], err = t.names.hide(addr)
		}
		if err != nil {
			return "", err
		}
		// The foundation must not tell the address either.
		f[0] = hiddenFoundation(f[4], f[2])
	}
	if i := slices.Index(f, "raddr"); i > 0 {
		f[i+1], f[i+3] = "0.0.0.0", "9"
		if c.NetworkType().IsIPv6() {
			f[i+1] = "::"
		}
	}
	return "candidate:" + strings.Join(f, " "), nil
}

// hiddenFoundation is one for a name and a transport (RFC 8445, section 5.1.1.3).
func hiddenFoundation(name, transport string) string {
	return fmt.Sprint(crc32.ChecksumIEEE([]byte(name + transport)))
}

// splitCandidate returns the fields of a candidate line without its prefix.
func splitCandidate(line string) []string {
	line = strings.TrimPrefix(strings.TrimSpace(line), "a=")
	return strings.Fields(strings.TrimPrefix(line, "candidate:"))
}

// tcpType returns the tcptype of RFC 6544, section 4.5, empty without one.
func tcpType(f []string) string {
	if i := slices.Index(f, "tcptype"); i >= 8 && i+1 < len(f) {
		return f[i+1]
	}
	return ""
}

// isTCP reports whether a canonical candidate is one of TCP.
func isTCP(canonical string) bool {
	f := strings.Fields(canonical)
	return len(f) > 2 && f[2] == "tcp"
}
