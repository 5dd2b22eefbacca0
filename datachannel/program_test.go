package datachannel_test

import (
	"context"
	"net"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
)

// echo stands for somebody's program: it sends back what comes over any channel.
func echo(ctx context.Context, peer datachannel.Acceptor) {
	for {
		ch, err := peer.Accept(ctx)
		if err != nil {
			return
		}
		go func() {
			for m, err := range ch.Messages(ctx) {
				if err != nil || ch.WriteMessage(ctx, m.Data, m.IsText) != nil {
					return
				}
			}
		}()
	}
}

// What the package comment says of testing programs works: no network, and ten minutes that take no time.
func TestProgramInVirtualTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		here, there := net.Pipe()
		client, err := datachannel.New(here, datachannel.Config{}, datachannel.Params{DTLSClient: true})
		if err != nil {
			t.Fatal(err)
		}
		server, err := datachannel.New(there, datachannel.Config{}, datachannel.Params{})
		if err != nil {
			t.Fatal(err)
		}
		go echo(t.Context(), server)
		ch, err := client.CreateChannel("echo", nil)
		if err != nil {
			t.Fatal(err)
		}
		for range 10 {
			tick := time.NewTimer(time.Minute)
			<-tick.C
			if err := ch.WriteMessage(t.Context(), []byte("still there?"), true); err != nil {
				t.Fatal(err)
			}
			if m, err := ch.ReadMessage(t.Context()); err != nil || string(m.Data) != "still there?" || !m.IsText {
				t.Fatal(m, err)
			}
		}
		if err := client.Close(); err != nil {
			t.Error(err)
		}
		if err := server.Close(); err != nil {
			t.Error(err)
		}
	})
}
