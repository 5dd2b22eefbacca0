package bench

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice"
	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/e2e/browser"
)

const (
	browsersTitle   = "Browsers"
	browsersTable   = "A channel to a page"
	browsersPreface = `Written by ` + "`make bench-browsers`" + `. A headless browser on this machine and a data channel to a page in it, over
loopback UDP. CPU time is that of the Go program alone, kernel included, which is one end, and drives the page
besides; the rate is the browser's more than ours. A GB is 10^9 bytes of payload; medians of three transfers of a
second.
`
	browserTime = time.Second
	barePage    = `<!doctype html><script src="` + browser.AgentPath + `"></script>`
)

// TestBrowsers measures transfers from and to the browsers that there are.
func TestBrowsers(t *testing.T) {
	section(t, browsersTitle, browsersPreface+"\n"+machine()+"\n")
	site, err := browser.NewSite(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, barePage) }))
	if err != nil {
		t.Fatal(err)
	}
	defer site.Close()
	table(t, browsersTable, "CPU-s/GB of the Go side", "MB/s", "allocations per message")
	found := false
	for _, kind := range browser.Kinds {
		ctx, cancel := context.WithTimeout(t.Context(), 3*time.Minute)
		defer cancel()
		b, err := browser.Start(ctx, kind, browser.Options{})
		var missing *browser.MissingError
		if errors.As(err, &missing) {
			t.Log(err)
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		defer b.Close()
		found = true
		page, err := b.Open(ctx, site, "/")
		if err != nil {
			t.Fatal(err)
		}
		ch := connectPage(ctx, t, page)
		for _, size := range []int{1 << 10, 16 << 10, 64 << 10} {
			from := func() int64 { return fromPage(ctx, t, page, ch, size, browserTime) }
			to := func() int64 { return toPage(ctx, t, page, ch, size, browserTime) }
			fromPage(ctx, t, page, ch, size, browserTime/8)
			toPage(ctx, t, page, ch, size, browserTime/8)
			for i, costs := range alternate(3, from, to) {
				name := fmt.Sprintf("%s to Go, %d KiB", kind, size>>10)
				if i == 1 {
					name = fmt.Sprintf("Go to %s, %d KiB", kind, size>>10)
				}
				row(t, name, fmt.Sprintf("%.2f", median(costs, cost.perGB)), fmt.Sprintf("%.1f", median(costs, cost.rate)),
					fmt.Sprintf("%.1f", median(costs, func(c cost) float64 { return c.allocsPer(size) })))
			}
		}
	}
	if !found {
		t.Fatal("there is no browser here: make setup installs them")
	}
}

// connectPage returns a channel to the page, which has it as window.channel.
func connectPage(ctx context.Context, t *testing.T, page *browser.Page) *datachannel.Channel {
	t.Helper()
	pc, err := sluice.NewPeerConnection(sluice.Config{IncludeLoopback: true, NetworkTypes: []string{"udp4"}, IPFilter: net.IP.IsLoopback})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pc.Close() })
	ch, err := pc.CreateDataChannel("bench", nil)
	if err != nil {
		t.Fatal(err)
	}
	opened := make(chan struct{})
	ch.OnOpen(func() { close(opened) })
	offer, err := pc.CreateOffer()
	if err == nil {
		err = pc.SetLocalDescription(offer)
	}
	if err != nil {
		t.Fatal(err)
	}
	<-pc.GatheringComplete()
	const answer = `window.peer = new RTCPeerConnection();
		window.arrived = new Promise(arrive => peer.ondatachannel = e => { window.channel = e.channel; channel.binaryType = 'arraybuffer'; arrive(); });
		await peer.setRemoteDescription({type: 'offer', sdp: args[0]});
		await peer.setLocalDescription();
		if (peer.iceGatheringState !== 'complete')
			await new Promise(done => peer.onicegatheringstatechange = () => peer.iceGatheringState === 'complete' && done());
		return peer.localDescription.sdp;`
	var sdp string
	if err := page.Eval(ctx, &sdp, answer, pc.LocalDescription().SDP); err != nil {
		t.Fatal(err)
	}
	if err := pc.SetRemoteDescription(sluice.SessionDescription{Type: sluice.SDPTypeAnswer, SDP: sdp}); err != nil {
		t.Fatal(err)
	}
	select {
	case <-opened:
	case <-ctx.Done():
		t.Fatal("the channel did not open")
	}
	var arrived bool // it is open at this end before the page hears of it
	if err := page.Eval(ctx, &arrived, `await arrived; return true;`); err != nil {
		t.Fatal(err)
	}
	return ch
}

// fromPage has the page send messages for a time, and returns how many bytes arrived.
func fromPage(ctx context.Context, t *testing.T, page *browser.Page, ch *datachannel.Channel, size int, d time.Duration) int64 {
	const send = `const [size, time] = args, message = new Uint8Array(size), end = performance.now() + time;
		channel.bufferedAmountLowThreshold = 1 << 20;
		let n = 0;
		while (performance.now() < end) {
			for (; channel.bufferedAmount < 4 << 20 && performance.now() < end; n++) channel.send(message);
			if (channel.bufferedAmount > channel.bufferedAmountLowThreshold)
				await new Promise(low => channel.onbufferedamountlow = low);
		}
		channel.send(new Uint8Array(1));
		return n;`
	sent := make(chan int64, 1)
	go func() {
		var n int64
		if err := page.Eval(ctx, &n, send, size, d.Milliseconds()); err != nil {
			t.Error(err)
		}
		sent <- n
	}()
	n := int64(0)
	for {
		m, err := ch.ReadMessage(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(m.Data) < size {
			break
		}
		n++
	}
	if want := <-sent; n != want {
		t.Errorf("%d messages arrived of %d", n, want)
	}
	return n * int64(size)
}

// toPage sends messages for a time, and returns how many bytes arrived.
func toPage(ctx context.Context, t *testing.T, page *browser.Page, ch *datachannel.Channel, size int, d time.Duration) int64 {
	const receive = `window.received = new Promise(done => {
			let n = 0;
			channel.onmessage = e => { if (e.data.byteLength < args[0]) done(n); else n++; };
		});`
	if err := page.Eval(ctx, nil, receive, size); err != nil {
		t.Fatal(err)
	}
	message := make([]byte, size)
	n := int64(0)
	for end := time.Now().Add(d); time.Now().Before(end); n++ {
		if err := ch.WriteMessage(ctx, message, false); err != nil {
			t.Fatal(err)
		}
	}
	if err := ch.WriteMessage(ctx, message[:1], false); err != nil {
		t.Fatal(err)
	}
	var arrived int64
	if err := page.Eval(ctx, &arrived, "return received"); err != nil {
		t.Fatal(err)
	}
	if arrived != n {
		t.Errorf("%d messages arrived of %d", arrived, n)
	}
	return n * int64(size)
}
