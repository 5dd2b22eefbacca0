// Stack is all of it, ICE and DTLS included, between two ends in one process. Its link is
// loopback itself: nothing is lost, and the rate is the processor's.
package main

import (
	"context"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/bench/small/device"
	"github.com/sluice-rtc/sluice/sctp"
)

func main() {
	device.Run(func() (func([]byte) error, func([]byte) (int, error), error) {
		ctx := context.Background()
		cfg := sluice.Config{
			SCTP: sctp.SmallConfig(), MaxMessageSize: 4 << 10, MaxBufferedAmount: 8 << 10,
			IncludeLoopback: true, InterfaceFilter: func(name string) bool { return name == "lo" },
			NetworkTypes: []string{"udp4"}, DisableMulticastDNS: true,
		}
		a, err := sluice.NewTransport(cfg)
		if err != nil {
			return nil, nil, err
		}
		b, err := sluice.NewTransport(cfg)
		if err != nil {
			return nil, nil, err
		}
		out, err := a.CreateChannel("telemetry", nil)
		if err != nil {
			return nil, nil, err
		}
		toB, err := a.LocalParameters(ctx)
		if err != nil {
			return nil, nil, err
		}
		toA, err := b.LocalParameters(ctx)
		if err != nil {
			return nil, nil, err
		}
		started := make(chan error, 1)
		go func() { started <- b.Start(ctx, toB) }()
		if err := a.Start(ctx, toA); err != nil {
			return nil, nil, err
		}
		if err := <-started; err != nil {
			return nil, nil, err
		}
		in, err := b.Accept(ctx)
		if err != nil {
			return nil, nil, err
		}
		send := func(p []byte) error { return out.WriteMessage(ctx, p, false) }
		receive := func(p []byte) (int, error) {
			m, err := in.ReadMessage(ctx)
			return copy(p, m.Data), err
		}
		return send, receive, nil
	})
}
