package sluice

import (
	"slices"
	"testing"
	"testing/synctest"

	"github.com/sluice-rtc/sluice/datachannel"
)

// Packets are marked by the greatest priority of the open channels that a side created, in
// its direction, and of none if that is normal or marking is off (8837-t).
func TestDSCP(t *testing.T) {
	for _, disabled := range []bool{false, true} {
		synctest.Test(t, func(t *testing.T) {
			p := newVirtualPairWith(t, Config{DisableDSCP: disabled})
			create := func(priority uint16) *datachannel.Channel {
				t.Helper()
				ch, err := p.a.CreateDataChannel("", &datachannel.Init{Priority: priority})
				must(t, err)
				return ch
			}
			create(256)
			p.connect()
			exchange := func(ch *datachannel.Channel) {
				must(t, ch.SendText("marked"))
				p.settle()
			}
			high := create(1024)
			exchange(high)
			medium := create(512)
			exchange(medium)
			high.Close()
			p.settle()
			exchange(medium)
			medium.Close()
			p.settle()
			exchange(create(128))
			want := []uint8{18, 10, 0}
			if disabled {
				want = nil
			}
			if got := p.net.hosts[0].dscps; !slices.Equal(got, want) {
				t.Errorf("disabled %v: codepoints %d, want %d", disabled, got, want)
			}
			if got := p.net.hosts[1].dscps; got != nil {
				t.Errorf("the other side marks with %d", got)
			}
		})
	}
}
