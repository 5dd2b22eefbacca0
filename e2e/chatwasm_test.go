package e2e

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// chatForBrowsers builds the client for browsers, once, so that the room finds it in
// the build cache.
var chatForBrowsers = sync.OnceValues(func() ([]byte, error) {
	cmd := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", os.DevNull, "../examples/browser-chat")
	cmd.Env = append(os.Environ(), "GOOS=js", "GOARCH=wasm", "CGO_ENABLED=0")
	return cmd.CombinedOutput()
})

// A goTab is the page of the Go client.
type goTab struct{ *page }

// openGo opens the page of the Go client and waits until it is in.
func (r *room) openGo(b *browser.Browser) goTab {
	r.t.Helper()
	p, err := b.Open(r.ctx, r.site, "/terminal.html")
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if r.t.Failed() {
			var shown string
			err := p.Eval(ctx, &shown, "return document.body.dataset.state + '\\n' + document.body.innerText")
			r.t.Logf("Go client: %s %v", shown, err)
		}
		if c := p.Complaints(); len(c) > 0 {
			r.t.Errorf("the page complains: %s", strings.Join(c, "\n"))
		}
		if err := p.Close(ctx); err != nil && b.Alive() {
			r.t.Errorf("closing the tab: %v", err)
		}
	})
	tab := goTab{&page{Page: p, t: r.t, ctx: r.ctx}}
	tab.find("body[data-state=running]")
	tab.shows("You are in.")
	return tab
}

// shows waits for a line that contains text, and returns it.
func (t goTab) shows(text string) (line string) {
	t.t.Helper()
	const js = `const screen = document.getElementById('screen');
		return new Promise(resolve => {
			const look = () => {
				const found = [...screen.children].find(e => !e.matches('.typed') && e.textContent.includes(args[0]));
				if (!found) return;
				observer.disconnect();
				resolve(found.textContent);
			};
			const observer = new MutationObserver(look);
			observer.observe(screen, {childList: true});
			look();
		});`
	t.do(&line, js, text)
	return line
}

// say types a line.
func (t goTab) say(line string) {
	t.t.Helper()
	t.do(nil, `const line = document.getElementById('line'); line.value = args[0]; line.form.requestSubmit();`, line)
}

// TestChatGo chats and exchanges files between the page in JavaScript and that with the Go
// client, which is the program of the terminal.
func TestChatGo(t *testing.T) {
	if out, err := chatForBrowsers(); err != nil {
		t.Fatalf("building the client: %v\n%s", err, out)
	}
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		r := startRoom(t)
		ada := r.open(b)
		ada.rename("Ada")
		gopher := r.openGo(b)
		gopher.say("/nick Tess")
		ada.find("#people > li[data-nick=Tess]")
		ada.say("who is <b>there</b>?")
		gopher.shows("Ada: who is <b>there</b>?")
		gopher.say("me, \u2713")
		ada.seesFrom("[data-nick=Tess]", "me, \u2713")

		down := testMessage{Size: 1<<20 + 3, Seed: 5}
		ada.offer("down.bin", down)
		offer := gopher.shows("Ada offers down.bin")
		_, id, _ := strings.Cut(offer, "/get ")
		gopher.say("/get " + id)
		if line := gopher.shows("* saved down.bin"); !strings.Contains(line, down.want().SHA256) {
			t.Errorf("the Go client says %q, want SHA-256 %s", line, down.want().SHA256)
		}
		ada.find("#transfers > li[data-direction=send][data-state=done] .receipts > li[data-nick=Tess][data-ok=true]")
		if size := gopher.find("#saved a[download='down.bin']").Data["size"]; size != strconv.Itoa(down.Size) {
			t.Errorf("%s bytes can be saved, want %d", size, down.Size)
		}

		up := testMessage{Size: 1<<20 + 7, Seed: 6}
		(&tab{page: gopher.page}).offer("up file.bin", up)
		ada.download("up file.bin")
		done := ada.find("#transfers > li[data-direction=receive][data-state=done][data-verified=true]")
		if done.Data["sha256"] != up.want().SHA256 {
			t.Errorf("the page has SHA-256 %s, want %s", done.Data["sha256"], up.want().SHA256)
		}
		gopher.shows("Ada received up file.bin")

		gopher.say("/quit")
		gopher.find("body[data-state=left]")
		ada.find("#messages > li[data-kind=leave][data-nick=Tess]")
	})
}
