package usrsctp

import (
	"testing"

	"github.com/sluice-rtc/sluice/sctp"
)

// Messages much larger than what their receiver may hold. They are delivered in pieces
// (RFC 9260, section 6.9).
func TestLargeMessage(t *testing.T) {
	need(t)
	t.Parallel()
	for name, conditions := range networks {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			size := 4 << 20
			if conditions != nil {
				size = 512 << 10
			}
			a, p := connect(t, testContext(t), setup{
				conditions: conditions,
				cfg:        sctp.Config{ReceiveBuffer: 64 << 10},
				options:    []string{"rcvbuf=65536", "sndbuf=8388608"},
			})
			exchange(t, a, p, batch{streams: 1, count: 2, size: size})
			exchange(t, a, p, batch{streams: 1, unordered: true, count: 2, size: size, seq: 2})
		})
	}
}
