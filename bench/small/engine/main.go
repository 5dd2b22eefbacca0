// Engine is SCTP alone, between two ends in one process.
package main

import (
	"context"

	"github.com/sluice-rtc/sluice/bench/small/device"
	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctpnet"
)

func main() {
	device.Run(func() (func([]byte) error, func([]byte) (int, error), error) {
		ctx := context.Background()
		x, y := device.Pair()
		cfg := sctpnet.Config{SCTP: sctp.SmallConfig()}
		b, err := sctpnet.New(y, cfg, false)
		if err != nil {
			return nil, nil, err
		}
		a, err := sctpnet.Client(ctx, x, cfg)
		if err != nil {
			return nil, nil, err
		}
		send := func(p []byte) error { return a.WriteMessage(ctx, sctp.Message{PPID: 53, Payload: p}) }
		receive := func(p []byte) (int, error) {
			n, _, err := b.ReadMessage(ctx, 0, p)
			return n, err
		}
		return send, receive, nil
	})
}
