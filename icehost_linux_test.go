package sluice

import (
	"errors"
	"net"
	"slices"
	"testing"

	"github.com/pion/transport/v2"
	"golang.org/x/sys/unix"
)

// TestHostInterfaces: what the kernel says of addresses and flags is what package net
// makes of it.
func TestHostInterfaces(t *testing.T) {
	got, err := addressedInterfaces()
	if err != nil {
		t.Fatal(err)
	}
	all, err := net.Interfaces()
	if err != nil {
		t.Fatal(err)
	}
	const flags = net.FlagUp | net.FlagLoopback
	found := 0
	for _, want := range all {
		addrs, err := want.Addrs()
		if err != nil {
			t.Fatal(err)
		}
		if len(addrs) == 0 {
			continue
		}
		found++
		i := slices.IndexFunc(got, func(g *transport.Interface) bool { return g.Index == want.Index })
		if i < 0 {
			t.Errorf("no interface %s", want.Name)
			continue
		}
		if got[i].Name != want.Name || got[i].Flags != want.Flags&flags {
			t.Errorf("interface %s with %v, want %s with %v", got[i].Name, got[i].Flags, want.Name, want.Flags&flags)
		}
		have, _ := got[i].Addrs()
		if len(have) != len(addrs) {
			t.Errorf("%s: addresses %v, want %v", want.Name, have, addrs)
			continue
		}
		for k := range addrs {
			if have[k].String() != addrs[k].String() {
				t.Errorf("%s: address %v, want %v", want.Name, have[k], addrs[k])
			}
		}
	}
	if found != len(got) {
		t.Errorf("%d interfaces, want %d", len(got), found)
	}
}

// TestDescribeInterfaceGone: an interface that is gone is told from a system that does not answer.
func TestDescribeInterfaceGone(t *testing.T) {
	sock, err := unix.Socket(unix.AF_INET, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(sock)
	if name, _, err := describeInterface(sock, 1<<30); !errors.Is(err, unix.ENODEV) {
		t.Errorf("%q, %v; want ENODEV", name, err)
	}
}
