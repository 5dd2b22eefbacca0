package e2e

import (
	"errors"
	"strings"
	"testing"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// TestEval shows that what the other tests rest on holds: values go both ways,
// exceptions come back, a reload ends calls in progress.
func TestEval(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		ctx := testContext(t)
		p := openPage(t, ctx, b)

		var got map[string]any
		p.do(&got, "return {sum: args[0] + args[1], text: args[2]}", 1, 2, "\u2713 </script>")
		if got["sum"] != 3.0 || got["text"] != "\u2713 </script>" {
			t.Errorf("got %v", got)
		}

		var script *browser.ScriptError
		err := p.Eval(ctx, nil, "throw new RangeError('too far')")
		if !errors.As(err, &script) || !strings.Contains(script.Message, "RangeError") || !strings.Contains(script.Message, "too far") {
			t.Errorf("an exception came back as %v", err)
		}

		hanging := make(chan error, 1)
		go func() { hanging <- p.Eval(ctx, nil, "window.hangs = true; await new Promise(() => {})") }()
		p.do(nil, "window.mark = 1; while (!window.hangs) await new Promise(done => setTimeout(done))")
		if err := p.Reload(ctx); err != nil {
			t.Fatal(err)
		}
		if err := <-hanging; !errors.Is(err, browser.ErrReloaded) {
			t.Errorf("a call during a reload ended with %v", err)
		}
		var mark string
		if p.do(&mark, "return typeof window.mark"); mark != "undefined" {
			t.Errorf("the page is the same after a reload")
		}
	})
}

// TestBrowserToBrowser connects browsers with each other through the relay that
// the other tests use, so that a failure there is not the relay's.
func TestBrowserToBrowser(t *testing.T) {
	for _, c := range []struct{ offerer, answerer browser.Kind }{
		{browser.Chromium, browser.Chromium},
		{browser.Firefox, browser.Firefox},
		{browser.Chromium, browser.Firefox},
		{browser.Firefox, browser.Chromium},
	} {
		for _, trickle := range []bool{false, true} {
			t.Run(string(c.offerer)+" to "+string(c.answerer)+trickleName(trickle), func(t *testing.T) {
				ctx := testContext(t)
				a := openPage(t, ctx, need(t, c.offerer)).newPeer("a")
				b := openPage(t, ctx, need(t, c.answerer)).newPeer("b")
				a.open("data", channelInit{})
				relay{trickle: trickle}.connect(t, ctx, a, b)
				if pa, pb := a.opened("data"), b.opened("data"); pa.ID != pb.ID {
					t.Errorf("ids %d and %d", pa.ID, pb.ID)
				}
				m := testMessage{Size: 100000, Seed: 7}
				a.send("data", m)
				if got := b.receive("data", 1); got[0] != m.want() {
					t.Errorf("got %v, want %v", got[0], m.want())
				}
				a.close("data")
				b.closed("data")
			})
		}
	}
}

func trickleName(trickle bool) string {
	if trickle {
		return ", trickle"
	}
	return ""
}

// TestBrowserDies shows that the end of a browser ends what waits for it, at
// once and with a word.
func TestBrowserDies(t *testing.T) {
	ctx := testContext(t)
	b, err := browser.Start(ctx, browser.Chromium, browser.Options{})
	check(t, err)
	p, err := b.Open(ctx, lab, "/lab.html")
	if err != nil {
		t.Fatal(err)
	}
	running := make(chan error, 1)
	go func() { running <- p.Eval(ctx, nil, "window.runs = true; await new Promise(() => {})") }()
	if err := p.Eval(ctx, nil, "while (!window.runs) await new Promise(done => setTimeout(done))"); err != nil {
		t.Fatal(err)
	}
	b.Kill()
	if err := <-running; err == nil || !strings.Contains(err.Error(), "the browser has ended") {
		t.Errorf("got %v", err)
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
}
