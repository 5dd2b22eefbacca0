package portable

import (
	"errors"
	"os"
	"testing"

	"github.com/sluice-rtc/sluice/datachannel"
)

// TestUnread has a native peer send more than is kept for a reader who does not come: its
// channel fails, and the others go on.
func TestUnread(t *testing.T) {
	if os.Getenv("SLUICE_PEER") == "" {
		t.Skip("takes long with a peer that is a browser, too")
	}
	c := newCall(t)
	full, other := c.open("full", nil), c.open("other", nil)
	failed := make(chan error, 1)
	full.OnError(func(err error) { failed <- err })
	c.connect()
	c.write(other, "before", true)
	c.write(full, "do send 4200", true) // of 16 KiB
	var failure *datachannel.RTCError
	if err := wait(c, "error", failed); !errors.As(err, &failure) || failure.Detail != datachannel.DataChannelFailure {
		t.Errorf("the channel failed with %v", err)
	}
	if _, err := full.ReadMessage(c.ctx); !errors.As(err, &failure) {
		t.Errorf("read of the channel that failed: %v", err)
	}
	c.read(other, "before", true)
	c.write(other, "after", true)
	c.read(other, "after", true)
}
