package main

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net/netip"
	"os"
	"os/exec"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

// endpointIdle: what an association keeps in an Endpoint, without a driver.
func endpointIdle(j job) (report, error) {
	var ends [2]*sctp.Endpoint
	var addrs [2]netip.AddrPort
	for i := range ends {
		cfg := sctp.EndpointConfig{Config: sctpConfig(), Listen: i == 1}
		cfg.Seed[0] = byte(i + 1)
		var err error
		if ends[i], err = sctp.NewEndpoint(cfg); err != nil {
			return nil, err
		}
		addrs[i] = netip.AddrPortFrom(netip.AddrFrom4([4]byte{127, 0, 0, byte(i + 1)}), 9899)
	}
	buf := make([]byte, 0, 2048)
	now := time.Now()
	connected := 0
	carry := func() (moved bool) {
		for i, e := range ends {
			for {
				d, ok := e.Transmit(now, buf)
				if !ok {
					break
				}
				moved = true
				ends[1-i].HandlePacket(now, d.To, d.Packet)
			}
			for ev, ok := e.NextEvent(); ok; ev, ok = e.NextEvent() {
				if ev.Kind == sctp.EventConnected {
					connected++
				}
			}
		}
		return moved
	}
	before := keeps()
	for i := range j.count {
		// Each from an address of its own, as the far end sees it.
		to := netip.AddrPortFrom(netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)}), 9899)
		if _, err := ends[0].Connect(now, to); err != nil {
			return nil, err
		}
		for carry() {
		}
	}
	if connected != 2*j.count {
		return nil, fmt.Errorf("%d ends of %d connected", connected, 2*j.count)
	}
	r := keeps().since(before, connected)
	ends[0].Stats() // both are in use until here
	ends[1].Stats()
	return r, nil
}

// listenerIdle: what an association keeps on the socket of a Listener. The far ends
// are in another process, which this one runs.
func listenerIdle(j job) (report, error) {
	l, err := sctpnet.Listen("udp4", "127.0.0.1:0", sctpnet.ListenConfig{Config: sctpnet.Config{SCTP: sctpConfig()}})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	program, err := os.Executable()
	if err != nil {
		return nil, err
	}
	port := netip.MustParseAddrPort(l.Addr().String()).Port()
	far := exec.Command(program, "sluice", "udp", "hold", fmt.Sprintf("count=%d", j.count), fmt.Sprintf("size=%d", port))
	far.Stderr = os.Stderr
	stdin, err := far.StdinPipe()
	if err != nil {
		return nil, err
	}
	before := keeps()
	if err := far.Start(); err != nil {
		return nil, err
	}
	conns := make([]*sctpnet.Conn, j.count)
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	for i := range conns {
		if conns[i], err = l.Accept(ctx); err != nil {
			return nil, err
		}
	}
	time.Sleep(j.settle)
	r := keeps().since(before, len(conns))
	for _, c := range conns {
		c.Abort("")
	}
	stdin.Close()
	return r, far.Wait()
}

// hold connects to a port of this machine, size, and stays until its input ends.
func hold(j job) (report, error) {
	conns := make([]*sctpnet.Conn, j.count)
	for i := range conns {
		var err error
		if conns[i], err = sctpnet.Dial(context.Background(), "udp4", fmt.Sprintf("127.0.0.1:%d", j.size), sctpnet.Config{SCTP: sctpConfig()}); err != nil {
			return nil, err
		}
	}
	if _, err := bufio.NewReader(os.Stdin).ReadByte(); err != io.EOF {
		return nil, err
	}
	return report{{"ends", float64(len(conns))}}, nil
}
