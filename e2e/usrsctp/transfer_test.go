package usrsctp

import (
	"testing"

	"github.com/sluice-rtc/sluice/e2e/link"
)

// Bulk both ways at once: each message once, intact, and in order where that is asked for.
func TestTransfer(t *testing.T) {
	need(t)
	t.Parallel()
	for _, c := range []struct {
		desc  string
		setup setup
		batch batch
	}{
		{"tiny ordered", setup{}, batch{streams: 1, count: 2000, size: 4}},
		{"small ordered on many streams", setup{}, batch{streams: 64, count: 4096, size: 100}},
		{"16 KiB ordered", setup{}, batch{streams: 4, count: 256, size: 16 << 10}},
		{"16 KiB unordered", setup{}, batch{streams: 4, unordered: true, count: 256, size: 16 << 10}},
		{"256 KiB ordered", setup{}, batch{streams: 2, count: 16, size: 256 << 10}},
		{"256 KiB unordered", setup{}, batch{streams: 2, unordered: true, count: 16, size: 256 << 10}},
		{"encapsulated, 16 KiB ordered", setup{mode: encapsulated}, batch{streams: 4, count: 256, size: 16 << 10}},
		{"encapsulated, 256 KiB unordered", setup{mode: encapsulated}, batch{streams: 4, unordered: true, count: 16, size: 256 << 10}},
		{"bad network, tiny ordered", setup{conditions: link.Lossy}, batch{streams: 3, count: 1000, size: 5}},
		{"bad network, 16 KiB ordered", setup{conditions: link.Lossy}, batch{streams: 4, count: 32, size: 16 << 10}},
		{"bad network, 16 KiB unordered", setup{conditions: link.Lossy}, batch{streams: 4, unordered: true, count: 32, size: 16 << 10}},
		{"bad network, 256 KiB ordered", setup{conditions: link.Lossy}, batch{streams: 2, count: 3, size: 256 << 10}},
		{"bad network, encapsulated, 256 KiB unordered", setup{mode: encapsulated, conditions: link.Lossy},
			batch{streams: 2, unordered: true, count: 3, size: 256 << 10}},
	} {
		t.Run(c.desc, func(t *testing.T) {
			t.Parallel()
			a, p := connect(t, testContext(t), c.setup)
			exchange(t, a, p, c.batch)
			if c.setup.conditions == nil {
				wantUndamaged(t, a, p)
			}
			p.do("shutdown")
			wantGraceful(t, a, p)
		})
	}
}

// wantUndamaged checks that neither side has found fault with a packet.
func wantUndamaged(t *testing.T, a *assoc, p *peer) {
	t.Helper()
	if bad, dropped := p.stats()["badsum"], a.Stats().PacketsDropped; bad > 0 || dropped > 0 {
		t.Errorf("nothing was damaged: usrsctp found %d wrong checksums, we dropped %d packets", bad, dropped)
	}
}
