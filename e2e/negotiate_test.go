package e2e

import (
	"regexp"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

// dataLine is the m= line of the data section.
var dataLine = regexp.MustCompile(`m=application [^\r\n]*`)

// renegotiate lets one side offer and the other answer once more.
func (p *pair) renegotiate(byGo bool, r relay) {
	p.t.Helper()
	p.goOffer = byGo
	p.connect(r)
}

// do calls a function of the page about its peer.
func (p *pair) do(function string, args ...any) {
	p.t.Helper()
	p.page.page.do(nil, "return lab."+function+"(...args)", append([]any{p.page.name}, args...)...)
}

// TestRenegotiate offers again from both sides while messages go round: with nothing new,
// with media that comes behind data, is rejected, stopped, and comes again in the same section.
func TestRenegotiate(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		p := newPair(t, b, false, sluice.Config{})
		p.connectWith("data")
		f := p.startEcho("data")
		var offer, answer string
		keep := relay{mangle: func(d description) description {
			if d.Type == "offer" {
				offer = d.SDP
			} else {
				answer = d.SDP
			}
			return d
		}}
		step := func(what string, byGo bool) {
			t.Helper()
			p.renegotiate(byGo, keep)
			wantNoMedia(t, offer, answer)
			f.goesOn(what)
		}
		step("offered by the page", false)
		step("offered by Go", true)
		p.do("addMedia", []string{"audio", "video"})
		step("with media added", false)
		step("offered by Go with media rejected", true)
		p.do("addMedia", []string{"video"})
		step("with media added again", false)
		if n := len(sections(offer)); n != 3 {
			t.Errorf("%d sections: those that were rejected are not used again", n)
		}
		p.do("stopMedia")
		step("with media stopped", false)
		step("offered by Go at the end", true)
	})
}

// TestDataAddedLater begins with an offer of audio only, all of which Go rejects. Then one
// side opens a channel and offers that.
func TestDataAddedLater(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		for _, byGo := range []bool{false, true} {
			t.Run("by "+side(byGo), func(t *testing.T) {
				p := newPair(t, b, false, sluice.Config{})
				p.do("addMedia", []string{"audio"})
				p.connect(relay{})
				if byGo {
					p.golang.open("data", channelInit{})
				} else {
					p.page.open("data", channelInit{})
				}
				p.renegotiate(byGo, relay{})
				p.page.opened("data")
				p.golang.opened("data")
				p.exchange("data")
			})
		}
	})
}

// TestDataRemoved has the offer of a side reach the other without its data section, whose
// answer then rejects it: the channels close at both ends, and after another negotiation,
// offered by Go or by the page, there are others.
func TestDataRemoved(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		for _, byGo := range []bool{false, true} {
			t.Run("added again by "+side(byGo), func(t *testing.T) {
				if b.Kind == browser.Firefox && !byGo {
					t.Skip("Firefox closes a channel that it creates then, also between two of it")
				}
				p := newPair(t, b, false, sluice.Config{})
				p.connectWith("first")
				p.exchange("first")
				p.renegotiate(false, relay{mangle: func(d description) description {
					if d.Type == "offer" {
						line := dataLine.FindString(d.SDP)
						d.SDP = strings.Replace(d.SDP, line, "m=application 0"+line[strings.Index(line, " UDP"):], 1)
						d.SDP = strings.Replace(d.SDP, "a=group:BUNDLE 0\r\n", "", 1)
					}
					return d
				}})
				p.wantEvents("Go", p.golang.closed("first"), []string{"close"})
				p.page.closed("first")
				if byGo {
					p.golang.open("second", channelInit{})
				} else {
					p.page.open("second", channelInit{})
				}
				p.golang.note(func() { p.golang.local, p.golang.gathered = nil, false })
				p.renegotiate(byGo, relay{})
				p.page.opened("second")
				p.golang.opened("second")
				p.exchange("second")
			})
		}
	})
}

// TestPranswer answers provisionally first: the channel is open before the final answer
// comes, and stays.
func TestPranswer(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		if b.Kind == browser.Firefox {
			t.Skip("Firefox has no provisional answers")
		}
		p := newPair(t, b, goOffer, sluice.Config{})
		p.offererOpens("data")
		offerer, answerer := peer(p.page), peer(p.golang)
		if goOffer {
			offerer, answerer = p.golang, p.page
		}
		r := relay{}
		if err := r.carry(p.ctx, offerer, answerer); err != nil {
			t.Fatal(err)
		}
		for _, typ := range []string{"pranswer", "answer"} {
			var d description
			if goOffer {
				p.page.page.do(&d, "return lab.answerAs(...args)", p.page.name, typ)
			} else {
				d = p.golang.answerAs(sluice.SDPType(typ))
			}
			if d.Type != typ {
				t.Fatalf("a %s is a %s", typ, d.Type)
			}
			if err := offerer.accept(p.ctx, d); err != nil {
				t.Fatal(err)
			}
			p.page.opened("data")
			p.golang.opened("data")
			p.exchange("data")
		}
	})
}

// TestGlare has both sides offer at the same time, first for the first channel, then to
// restart ICE. The polite side takes its offer back, by the other's or by a rollback; the
// impolite one does not hear it.
func TestGlare(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		for _, goPolite := range []bool{true, false} {
			t.Run(side(goPolite)+" is polite", func(t *testing.T) {
				p := newPair(t, b, false, sluice.Config{})
				p.golang.open("from Go", channelInit{})
				p.page.open("from the page", channelInit{})
				polite, impolite := peer(p.page), peer(p.golang)
				if goPolite {
					polite, impolite = p.golang, p.page
				}
				for _, restart := range []bool{false, true} {
					if restart {
						p.golang.note(func() { p.golang.local, p.golang.gathered = nil, false })
						p.do("regather")
						p.golang.pc.RestartICE()
						p.do("restart")
					}
					if _, err := polite.describe(p.ctx, true); err != nil { // it will be lost
						t.Fatal(err)
					}
					if restart {
						if err := polite.rollback(p.ctx); err != nil {
							t.Fatal(err)
						}
					}
					if err := (relay{}).exchange(p.ctx, impolite, polite); err != nil {
						t.Fatal(err)
					}
					for _, label := range []string{"from Go", "from the page"} {
						p.page.opened(label)
						p.golang.opened(label)
						p.exchange(label)
					}
				}
				// The restart that the polite side wanted was the other's, too.
				if s := p.golang.pc.SignalingState(); s != sluice.SignalingStateStable {
					t.Errorf("signaling state %s", s)
				}
			})
		}
	})
}

// TestTagStopped stops the section that the BUNDLE group is tagged by and whose transport data
// uses. Go's answer goes on with that under the data section, as its user fragment says; but browsers
// end the association and begin another that nobody has negotiated. Go hears of the end.
func TestTagStopped(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		p := newPair(t, b, false, sluice.Config{})
		p.do("create", map[string]string{"bundlePolicy": "max-bundle"})
		p.do("addMedia", []string{"audio"})
		p.connectWith("data")
		p.exchange("data")
		p.do("stopMedia")
		p.renegotiate(false, relay{mangle: func(d description) description {
			if all := sections(d.SDP); len(all) != 2 || !strings.HasPrefix(all[0], "audio 0 ") || strings.HasPrefix(all[1], "application 0 ") {
				t.Errorf("%s\n%s", d.Type, d.SDP)
			}
			return d
		}})
		p.golang.closed("data")
	})
}

// TestPageReplaced reloads the page, which then offers a connection of its own to the PeerConnection
// that had the old one: that ends, and another takes its place.
func TestPageReplaced(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		p := newPair(t, b, false, sluice.Config{})
		p.connectWith("first")
		p.exchange("first")
		if err := p.page.page.Reload(p.ctx); err != nil {
			t.Fatal(err)
		}
		p.page = p.page.page.newPeer("again")
		p.page.open("second", channelInit{})
		p.golang.note(func() { p.golang.local, p.golang.gathered = nil, false })
		p.renegotiate(false, relay{})
		p.golang.closed("first")
		p.page.opened("second")
		p.golang.opened("second")
		p.exchange("second")
	})
}
