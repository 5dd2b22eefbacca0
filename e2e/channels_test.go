package e2e

import (
	"fmt"
	"reflect"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

func ptr[T any](v T) *T { return &v }

// channelKinds are the kinds of channel that a browser can make.
var channelKinds = []struct {
	desc  string
	label string
	init  channelInit
}{
	{"reliable ordered", "plain", channelInit{}},
	{"reliable unordered", "unordered", channelInit{Ordered: ptr(false)}},
	{"no retransmission, ordered", "rexmit0", channelInit{MaxRetransmits: ptr[uint16](0)}},
	{"three retransmissions, unordered", "rexmit3u", channelInit{MaxRetransmits: ptr[uint16](3), Ordered: ptr(false)}},
	{"lifetime, ordered", "life", channelInit{MaxPacketLifeTime: ptr[uint16](5000)}},
	{"lifetime, unordered", "lifeu", channelInit{MaxPacketLifeTime: ptr[uint16](5000), Ordered: ptr(false)}},
	{"protocol, label not ASCII", "caf\u00e9 \u2713", channelInit{Protocol: "chat.example/\u00fc"}},
	{"empty label", "", channelInit{}},
	{"negotiated", "negotiated", channelInit{Negotiated: true, ID: ptr[uint16](7)}},
	{"negotiated, unordered, with a protocol", "negotiated2",
		channelInit{Negotiated: true, ID: ptr[uint16](1000), Ordered: ptr(false), MaxRetransmits: ptr[uint16](2), Protocol: "p"}},
}

// TestChannelKinds opens a channel of each kind from each side, compares its
// properties at both ends and sends a message each way.
// // 8832-6-b, w3c-open-b
func TestChannelKinds(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		for _, goOpens := range []bool{false, true} {
			for _, kind := range channelKinds {
				t.Run(fmt.Sprintf("%s by %s", kind.desc, side(goOpens)), func(t *testing.T) {
					p := newPair(t, b, goOffer, sluice.Config{})
					if goOffer != goOpens && !kind.init.Negotiated {
						p.offererOpens("needed for an offer")
					}
					if goOpens || kind.init.Negotiated {
						p.golang.open(kind.label, kind.init)
					}
					if !goOpens || kind.init.Negotiated {
						p.page.open(kind.label, kind.init)
					}
					p.connect(relay{})
					p.wantKind(kind.label, kind.init, goOpens)
				})
			}
		}
	})
}

func side(isGo bool) string {
	if isGo {
		return "Go"
	}
	return "the browser"
}

// wantKind checks an open channel's properties and that it carries messages.
func (p *pair) wantKind(label string, init channelInit, goOpens bool) {
	p.t.Helper()
	inPage, inGo := p.page.opened(label), p.golang.opened(label)
	want := channelProperties{
		Label: label, Protocol: init.Protocol, Negotiated: init.Negotiated, ID: inPage.ID,
		Ordered:        init.Ordered == nil || *init.Ordered,
		MaxRetransmits: init.MaxRetransmits, MaxPacketLifeTime: init.MaxPacketLifeTime,
	}
	if init.ID != nil {
		want.ID = *init.ID
	}
	if !reflect.DeepEqual(inPage, want) {
		p.t.Errorf("the page has %+v, want %+v", inPage, want)
	}
	if got := inGo.properties(); !reflect.DeepEqual(got, want) {
		p.t.Errorf("Go has %+v, want %+v", got, want)
	}
	if wantIncoming := !goOpens && !init.Negotiated; inGo.incoming != wantIncoming {
		p.t.Errorf("OnDataChannel called: %v, want %v", inGo.incoming, wantIncoming)
	}
	if inGo.incoming && inGo.stateAtEvent != datachannel.Open {
		p.t.Errorf("the channel was announced %v, want open", inGo.stateAtEvent)
	}
	p.exchange(label)
}

// exchange sends one message each way and waits for both.
func (p *pair) exchange(label string) {
	p.t.Helper()
	down, up := testMessage{Size: 3000, Seed: 1}, testMessage{Text: true, Size: 20, Seed: 2}
	p.golang.send(label, down)
	p.page.send(label, up)
	if got := p.page.receive(label, 1)[0]; got != down.want() {
		p.t.Errorf("the page received %+v, want %+v", got, down.want())
	}
	if got := p.golang.receive(label, 1)[0]; got != up.want() {
		p.t.Errorf("Go received %+v, want %+v", got, up.want())
	}
}

// TestTrickle connects with candidates that follow the descriptions.
func TestTrickle(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		p := newPair(t, b, goOffer, sluice.Config{})
		p.offererOpens("data")
		p.connect(relay{trickle: true})
		p.exchange("data")
		p.golang.state(sluice.ConnectionStateConnected)
	})
}

// TestManyChannels opens 50 channels at once from each side, some before there
// is a connection and the others on it.
func TestManyChannels(t *testing.T) {
	const each = 50
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		p := newPair(t, b, goOffer, sluice.Config{})
		open := func(phase string) {
			for i := range each / 2 {
				p.golang.open(fmt.Sprintf("go %s %d", phase, i), channelInit{})
			}
			p.page.page.do(nil, "for (let i = 0; i < args[2]; i++) lab.open(args[0], `page ${args[1]} ${i}`)",
				p.page.name, phase, each/2)
		}
		open("early")
		p.connect(relay{})
		p.golang.opened("page early 0")
		open("late")

		sent := map[string]testMessage{} // by label
		owner := map[uint16]string{}     // label by id
		for _, phase := range []string{"early", "late"} {
			for _, from := range []string{"go", "page"} {
				for i := range each / 2 {
					label := fmt.Sprintf("%s %s %d", from, phase, i)
					inGo := p.golang.opened(label).properties()
					if inPage := p.page.opened(label); !reflect.DeepEqual(inGo, inPage) {
						t.Errorf("Go has %+v, the page %+v", inGo, inPage)
					}
					if other, taken := owner[inGo.ID]; taken {
						t.Errorf("%q and %q share id %d", other, label, inGo.ID)
					}
					owner[inGo.ID] = label
					sent[label] = testMessage{Text: true, Size: 10 + i, Seed: uint32(len(sent)) + 1}
					p.golang.send(label, sent[label])
				}
			}
		}
		for label, m := range sent {
			if got := p.page.receive(label, 1)[0]; got != m.want() {
				t.Errorf("%q received %+v, want %+v", label, got, m.want())
			}
		}
	})
}
