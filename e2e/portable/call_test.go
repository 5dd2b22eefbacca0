package portable

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"os"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
)

// A call is a connection to the peer.
type call struct {
	*sluice.PeerConnection
	t   *testing.T
	ctx context.Context
}

// newCall makes a connection that is closed with the test.
func newCall(t *testing.T) *call {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 60*time.Second)
	pc, err := sluice.NewPeerConnection(config)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := pc.Close(); err != nil {
			t.Error(err)
		}
		cancel()
	})
	return &call{pc, t, ctx}
}

// firefox says that this is Firefox, which tells less.
var firefox = os.Getenv("SLUICE_BROWSER") == "firefox"

var config = sluice.Config{IncludeLoopback: true}

// open creates a channel.
func (c *call) open(label string, init *datachannel.Init) *datachannel.Channel {
	c.t.Helper()
	ch, err := c.CreateDataChannel(label, init)
	if err != nil {
		c.t.Fatal(err)
	}
	return ch
}

// connect connects to the peer.
func (c *call) connect() {
	c.t.Helper()
	offer, err := describe(c.ctx, c.PeerConnection)
	if err != nil {
		c.t.Fatal(err)
	}
	var answer *sluice.SessionDescription
	if url := os.Getenv("SLUICE_PEER"); url != "" {
		answer, err = post(c.ctx, url, offer)
	} else {
		answer, err = Answer(c.ctx, config, *offer)
	}
	if err == nil {
		err = c.SetRemoteDescription(*answer)
	}
	if err != nil {
		c.t.Fatal(err)
	}
}

func post(ctx context.Context, url string, offer *sluice.SessionDescription) (*sluice.SessionDescription, error) {
	body, err := json.Marshal(offer)
	if err != nil {
		return nil, err
	}
	q, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	res, err := http.DefaultClient.Do(q)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	answer := &sluice.SessionDescription{}
	return answer, json.NewDecoder(res.Body).Decode(answer)
}

// write sends a message.
func (c *call) write(ch *datachannel.Channel, data string, isText bool) {
	c.t.Helper()
	if err := ch.WriteMessage(c.ctx, []byte(data), isText); err != nil {
		c.t.Fatal(err)
	}
}

// read wants a message.
func (c *call) read(ch *datachannel.Channel, want string, isText bool) {
	c.t.Helper()
	m, err := ch.ReadMessage(c.ctx)
	if err != nil {
		c.t.Fatal(err)
	}
	if string(m.Data) != want || m.IsText != isText || m.Data == nil {
		c.t.Fatalf("got %d bytes %.40q, text %v, want %d bytes %.40q, text %v", len(m.Data), m.Data, m.IsText, len(want), want, isText)
	}
}

// wait waits for an event.
func wait[T any](c *call, what string, events <-chan T) (v T) {
	c.t.Helper()
	select {
	case v = <-events:
	case <-c.ctx.Done():
		c.t.Fatalf("no %s", what)
	}
	return v
}
