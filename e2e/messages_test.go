package e2e

import (
	"errors"
	"slices"
	"testing"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/e2e/browser"
	"github.com/sluice-rtc/sluice/sctp"
)

// someMessages are of every kind and of the sizes around the limits: of one
// packet, and of what a browser and sluice announce as their maximum.
var someMessages = []testMessage{
	{Text: true, Size: 0, Seed: 1},
	{Text: false, Size: 0, Seed: 2},
	{Text: true, Size: 1, Seed: 3},
	{Text: false, Size: 1, Seed: 4},
	{Text: true, Size: 1200, Seed: 5},
	{Text: false, Size: 64 << 10, Seed: 6},
	{Text: true, Size: 64 << 10, Seed: 7},
	{Text: false, Size: 0, Seed: 8},
	{Text: false, Size: 256 << 10, Seed: 9},
	{Text: true, Size: 256 << 10, Seed: 10},
	{Text: true, Size: 0, Seed: 11},
}

// TestMessages sends text, binary and empty messages up to 256 KiB in both
// directions at once and compares kinds, order and hashes.
func TestMessages(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		p := newPair(t, b, goOffer, sluice.Config{})
		p.connectWith("data")
		down := someMessages
		if p.golang.pc.Stats().SCTP.Peer == sctp.PeerUsrsctp {
			// It hands large messages to the browser in pieces, whose ends it marks wrongly now and then.
			t.Log("*** an old Firefox, with usrsctp: it gets no message above 64 KiB ***")
			down = slices.DeleteFunc(slices.Clone(down), func(m testMessage) bool { return m.Size > 64<<10 })
		}
		for i, m := range someMessages {
			p.page.send("data", m)
			if i < len(down) {
				p.golang.send("data", down[i])
			}
		}
		if got, want := p.page.receive("data", len(down)), wanted(down); !slices.Equal(got, want) {
			t.Errorf("the page received\n%+v, want\n%+v", got, want)
		}
		if got, want := p.golang.receive("data", len(someMessages)), wanted(someMessages); !slices.Equal(got, want) {
			t.Errorf("Go received\n%+v, want\n%+v", got, want)
		}
	})
}

// TestLargeMessages sends 16 MiB to the browser that takes any size, up to 1 GiB, and gets 8 MiB from it: of 16
// MiB it sends nothing, and says nothing. The other's 256 KiB are in TestMessages.
func TestLargeMessages(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		if b.Kind != browser.Firefox {
			t.Skip("it takes 256 KiB")
		}
		p := newPair(t, b, false, sluice.Config{MaxMessageSize: 16 << 20})
		p.connectWith("data")
		for i, text := range []bool{false, true} {
			up := testMessage{Text: text, Size: 8 << 20, Seed: uint32(20 + i)}
			down := testMessage{Text: text, Size: 16 << 20, Seed: uint32(30 + i)}
			p.page.send("data", up)
			p.golang.send("data", down)
			if got := p.page.receive("data", 1)[0]; got != down.want() {
				t.Errorf("the page received %+v, want %+v", got, down.want())
			}
			if got := p.golang.receive("data", 1)[0]; got != up.want() {
				t.Errorf("Go received %+v, want %+v", got, up.want())
			}
		}
	})
}

// wanted returns what arrives of the messages.
func wanted(sent []testMessage) (want []message) {
	for _, m := range sent {
		want = append(want, m.want())
	}
	return want
}

// TestText sends text that is not ASCII, which lives as UTF-16 in the page.
func TestText(t *testing.T) {
	const text = "h\u00e9llo \u2713 \U0001F600 \x00 end"
	want := describeMessage([]byte(text), true)
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		p := newPair(t, b, false, sluice.Config{})
		ch := p.connectWith("data")
		p.page.page.do(nil, "lab.sendText(...args)", p.page.key("data"), text)
		if err := ch.SendText(text); err != nil {
			t.Fatal(err)
		}
		if got := p.golang.receive("data", 1)[0]; got != want {
			t.Errorf("Go received %+v, want %+v", got, want)
		}
		if got := p.page.receive("data", 1)[0]; got != want {
			t.Errorf("the page received %+v, want %+v", got, want)
		}
	})
}

// TestMessageSizeLimit announces a small maximum: the page must not send more,
// and what the page announces binds Go.
func TestMessageSizeLimit(t *testing.T) {
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		p := newPair(t, b, goOffer, sluice.Config{MaxMessageSize: 5000})
		ch := p.connectWith("data")

		var script *browser.ScriptError
		err := p.page.page.Eval(p.ctx, nil, "lab.send(...args)", p.page.key("data"), testMessage{Size: 5001, Seed: 1})
		if !errors.As(err, &script) {
			t.Errorf("the page sent more than allowed: %v", err)
		}
		fits := testMessage{Size: 5000, Seed: 2}
		p.page.send("data", fits)
		if got := p.golang.receive("data", 1)[0]; got != fits.want() {
			t.Errorf("Go received %+v, want %+v", got, fits.want())
		}

		if b.Kind == browser.Chromium { // Firefox takes 1 GiB
			var tooLarge *datachannel.TypeError
			if err := ch.Send(make([]byte, 262145)); !errors.As(err, &tooLarge) {
				t.Errorf("sending more than the page takes: %v", err)
			}
		}
		p.exchange("data")
	})
}

// TestBulk sends some megabytes each way at once, each side keeping what it
// buffers within bounds by bufferedAmount and its low event.
func TestBulk(t *testing.T) {
	const size, count, low, high = 32 << 10, 128, 256 << 10, 1 << 20
	var want []message
	for i := range count {
		want = append(want, testMessage{Size: size, Seed: uint32(i + 1)}.want())
	}
	eachRole(t, func(t *testing.T, b *browser.Browser, goOffer bool) {
		p := newPair(t, b, goOffer, sluice.Config{})
		ch := p.connectWith("data")
		pageDone := make(chan error, 1)
		var most int
		go func() {
			pageDone <- p.page.page.Eval(p.ctx, &most, "return lab.bulk(...args)", p.page.key("data"), size, count, 1, low, high)
		}()
		ch.SetBufferedAmountLowThreshold(low)
		for i := range count {
			if ch.BufferedAmount() > high {
				p.golang.until("the buffered amount is low", func() bool { return ch.BufferedAmount() <= low })
			}
			p.golang.send("data", testMessage{Size: size, Seed: uint32(i + 1)})
		}
		if err := <-pageDone; err != nil {
			t.Fatal(err)
		}
		if most == 0 || most > high+size {
			t.Errorf("the page buffered up to %d bytes", most)
		}
		if got := p.golang.receive("data", count); !slices.Equal(got, want) {
			t.Error("Go received something else than the page sent")
		}
		if got := p.page.receive("data", count); !slices.Equal(got, want) {
			t.Error("the page received something else than Go sent")
		}
		ch.SetBufferedAmountLowThreshold(0)
		p.golang.until("nothing is buffered", func() bool { return ch.BufferedAmount() == 0 })
	})
}
