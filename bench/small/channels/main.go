// Channels is data channels over a transport that is there: two ends in one process.
package main

import (
	"context"

	"github.com/sluice-rtc/sluice/bench/small/device"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/sctp"
)

func main() {
	device.Run(func() (func([]byte) error, func([]byte) (int, error), error) {
		ctx := context.Background()
		x, y := device.Pair()
		cfg := datachannel.Config{SCTP: sctp.SmallConfig(), MaxMessageSize: 4 << 10, MaxBufferedAmount: 8 << 10}
		b, err := datachannel.New(y, cfg, datachannel.Params{})
		if err != nil {
			return nil, nil, err
		}
		a, err := datachannel.New(x, cfg, datachannel.Params{DTLSClient: true})
		if err != nil {
			return nil, nil, err
		}
		out, err := a.CreateChannel("telemetry", nil)
		if err != nil {
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
