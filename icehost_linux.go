package sluice

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"os"
	"slices"
	"syscall"

	"github.com/pion/transport/v2"
	"golang.org/x/sys/unix"
)

// hostInterfaces returns the interfaces that have addresses. It asks for all addresses at
// once, and for the name and flags of each interface that has one: all that is known of all
// interfaces, and the list of addresses once for each, as package net asks for, take as much
// time as half of the cryptography of a connection.
func hostInterfaces() ([]*transport.Interface, error) {
	list, err := addressedInterfaces()
	if err != nil { // Android, for one, lets programs ask in other ways only
		return allInterfaces()
	}
	return list, nil
}

func addressedInterfaces() ([]*transport.Interface, error) {
	dump, err := syscall.NetlinkRIB(syscall.RTM_GETADDR, syscall.AF_UNSPEC)
	if err != nil {
		return nil, os.NewSyscallError("netlinkrib", err)
	}
	messages, err := syscall.ParseNetlinkMessage(dump)
	if err != nil {
		return nil, os.NewSyscallError("parsenetlinkmessage", err)
	}
	sock, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	defer unix.Close(sock)
	var list []*transport.Interface
	for i := range messages {
		m := &messages[i]
		if m.Header.Type != syscall.RTM_NEWADDR || len(m.Data) < syscall.SizeofIfAddrmsg {
			continue
		}
		addr, err := interfaceAddress(m)
		if err != nil {
			return nil, err
		}
		if addr == nil {
			continue
		}
		index := int(binary.NativeEndian.Uint32(m.Data[4:])) // of struct ifaddrmsg
		at := slices.IndexFunc(list, func(i *transport.Interface) bool { return i.Index == index })
		if at < 0 {
			name, flags, err := describeInterface(sock, index)
			if errors.Is(err, unix.ENODEV) {
				continue // gone meanwhile
			} else if err != nil {
				return nil, err
			}
			at = len(list)
			list = append(list, transport.NewInterface(net.Interface{Index: index, Name: name, Flags: flags}))
		}
		list[at].AddAddress(addr)
	}
	return list, nil
}

// interfaceAddress returns the address that a message of rtnetlink(7) tells of, nil if it
// is none of IP.
func interfaceAddress(m *syscall.NetlinkMessage) (net.Addr, error) {
	attributes, err := syscall.ParseNetlinkRouteAttr(m)
	if err != nil {
		return nil, os.NewSyscallError("parsenetlinkrouteattr", err)
	}
	var ip net.IP
	for _, a := range attributes {
		switch a.Attr.Type {
		case syscall.IFA_LOCAL: // the other is the peer's then, of a point-to-point link
			ip = a.Value
		case syscall.IFA_ADDRESS:
			if ip == nil {
				ip = a.Value
			}
		}
	}
	if len(ip) != net.IPv4len && len(ip) != net.IPv6len {
		return nil, nil
	}
	prefix := int(m.Data[1]) // of struct ifaddrmsg
	return &net.IPNet{IP: slices.Clone(ip), Mask: net.CIDRMask(prefix, 8*len(ip))}, nil
}

// describeInterface returns the name of an interface, and its flags as far as they matter here.
func describeInterface(sock, index int) (name string, flags net.Flags, err error) {
	r, err := unix.NewIfreq("")
	if err != nil {
		return "", 0, err
	}
	r.SetUint32(uint32(index))
	if err := unix.IoctlIfreq(sock, unix.SIOCGIFNAME, r); err != nil {
		return "", 0, fmt.Errorf("SIOCGIFNAME: %w", err)
	}
	if err := unix.IoctlIfreq(sock, unix.SIOCGIFFLAGS, r); err != nil {
		return "", 0, fmt.Errorf("SIOCGIFFLAGS: %w", err)
	}
	if r.Uint16()&unix.IFF_UP != 0 {
		flags |= net.FlagUp
	}
	if r.Uint16()&unix.IFF_LOOPBACK != 0 {
		flags |= net.FlagLoopback
	}
	return r.Name(), flags, nil
}
