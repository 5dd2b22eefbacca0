package e2e

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/sluice-rtc/sluice/e2e/browser"
)

// chatPairs are the browsers in which two tabs of a room are opened.
var chatPairs = []struct{ a, b browser.Kind }{
	{browser.Chromium, browser.Chromium},
	{browser.Firefox, browser.Firefox},
	{browser.Chromium, browser.Firefox},
}

// eachChatPair runs the test with two tabs in a room of their own.
func eachChatPair(t *testing.T, test func(t *testing.T, r *room, a, b *tab)) {
	for _, pair := range chatPairs {
		t.Run(string(pair.a)+" and "+string(pair.b), func(t *testing.T) {
			ba, bb := need(t, pair.a), need(t, pair.b)
			r := startRoom(t)
			test(t, r, r.open(ba), r.open(bb))
		})
	}
}

// TestChat joins in two tabs that see each other, talk, rename; a third that
// comes late is told what was said; a tab that is closed has left.
func TestChat(t *testing.T) {
	eachChatPair(t, func(t *testing.T, r *room, a, b *tab) {
		a.rename("Ada")
		b.rename("Bob \u2713")
		a.find("#people > li[data-id=%q][data-nick=%q]", b.id(), "Bob \u2713")
		b.find("#people > li[data-id=%q][data-nick=Ada]", a.id())

		a.say("hello <b>everybody</b>")
		b.sees(a, "hello <b>everybody</b>")
		b.say("h\u00e9llo \U0001F600")
		a.sees(b, "h\u00e9llo \U0001F600")
		b.sees(b, "h\u00e9llo \U0001F600")

		late := r.open(a.Browser())
		late.seesFrom("[data-nick=Ada]", "hello <b>everybody</b>")
		late.seesFrom("[data-nick^=Bob]", "h\u00e9llo \U0001F600")
		a.find("#people > li[data-id=%q]", late.id())

		for _, stat := range []string{"stat-rtt", "stat-buffered", "stat-path"} {
			b.find("#%s[data-value]", stat)
		}
		for _, stat := range []string{"stat-sent", "stat-received"} {
			b.find(`#%s[data-value]:not([data-value="0"])`, stat)
		}
	})
}

// TestChatFile sends a file from one tab to the other, which verifies it.
func TestChatFile(t *testing.T) {
	eachChatPair(t, func(t *testing.T, r *room, a, b *tab) {
		file := testMessage{Size: 3<<20 + 1234, Seed: 99}
		a.offer("some data.bin", file)
		b.download("some data.bin")
		done := b.find("#transfers > li[data-direction=receive][data-state=done][data-verified=true]")
		if got := done.Data["sha256"]; got != file.want().SHA256 {
			t.Errorf("the receiver has SHA-256 %s, want %s", got, file.want().SHA256)
		}
		a.find("#transfers > li[data-direction=send][data-state=done] .receipts > li[data-ok=true][data-sha256=%q]", file.want().SHA256)
	})
}

// TestChatReload reloads a tab: it has its seat again, and the conversation.
func TestChatReload(t *testing.T) {
	eachChatPair(t, func(t *testing.T, r *room, a, b *tab) {
		b.rename("Bob")
		me := b.id()
		a.say("before")
		b.sees(a, "before")
		if err := b.Reload(r.ctx); err != nil {
			t.Fatal(err)
		}
		b.in()
		if b.id() != me {
			t.Errorf("after the reload the tab is %s, was %s", b.id(), me)
		}
		b.find("#people > li[data-id=%q][data-nick=Bob]", me)
		b.sees(a, "before")
		a.find("#people > li[data-id=%q]:not([data-away])", me)
		b.say("after")
		a.sees(b, "after")
		a.findNone("#messages > li[data-kind=leave]")
	})
}

// TestChatLeave closes one tab and kills the browsers of two others: all three
// leave the room.
func TestChatLeave(t *testing.T) {
	t.Parallel() // mostly waits for ICE timeouts
	r := startRoom(t)
	shared := need(t, browser.Chromium)
	witness := r.open(shared)
	var gone []*tab
	for _, kind := range browser.Kinds {
		b, err := browser.Start(r.ctx, kind, browser.Options{})
		check(t, err)
		t.Cleanup(func() { _ = b.Close() })
		killed := r.open(b)
		killed.rename(string(kind))
		gone = append(gone, killed)
	}
	closed := r.open(shared)
	closed.rename("closed")
	for _, tab := range append(gone, closed) {
		witness.find("#people > li[data-id=%q]", tab.id())
	}
	ids := []string{gone[0].id(), gone[1].id(), closed.id()}
	for _, tab := range gone {
		tab.Browser().Kill()
	}
	if err := closed.Close(r.ctx); err != nil {
		t.Fatal(err)
	}
	for _, id := range ids {
		witness.find("#messages > li[data-kind=leave][data-from=%q]", id)
		witness.findNone("#people > li[data-id=%q]", id)
	}
}

// TestChatTerminal joins from a terminal, which talks and exchanges files with
// a tab.
func TestChatTerminal(t *testing.T) {
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		r := startRoom(t)
		page := r.open(b)
		page.rename("Ada")
		page.say("who is there?")

		dir := t.TempDir()
		terminal := startExample(t, "browser-chat", "-join", r.url.String(), "-nick", "Tess", "-dir", dir, "-accept")
		terminal.line(r.ctx, "You are in.")
		terminal.line(r.ctx, "Ada: who is there?")
		terminal.say("me, \u2713")
		page.seesFrom("[data-nick=Tess]", "me, \u2713")
		page.say("good")
		terminal.line(r.ctx, "Ada: good")

		down := testMessage{Size: 1 << 20, Seed: 5}
		page.offer("down.bin", down)
		page.find("#transfers > li[data-direction=send][data-state=done] .receipts > li[data-nick=Tess][data-ok=true]")
		got, err := os.ReadFile(filepath.Join(dir, "down.bin"))
		if err != nil || !bytes.Equal(got, down.payload()) {
			t.Errorf("the terminal's file differs from the page's (error %v)", err)
		}

		up := testMessage{Size: 1<<20 + 7, Seed: 6}
		path := filepath.Join(t.TempDir(), "up.bin")
		if err := os.WriteFile(path, up.payload(), 0o600); err != nil {
			t.Fatal(err)
		}
		terminal.say("/send " + path)
		page.download("up.bin")
		done := page.find("#transfers > li[data-direction=receive][data-state=done][data-verified=true]")
		if done.Data["sha256"] != up.want().SHA256 {
			t.Errorf("the page has SHA-256 %s, want %s", done.Data["sha256"], up.want().SHA256)
		}
		terminal.line(r.ctx, "Ada received up.bin")

		terminal.say("/quit")
		page.find("#messages > li[data-kind=leave][data-nick=Tess]")
		<-terminal.ended
	})
}

// TestChatRoomGone kills the room: the page says so, and joins the next room
// at the same address.
func TestChatRoomGone(t *testing.T) {
	t.Parallel()
	eachBrowser(t, func(t *testing.T, b *browser.Browser) {
		t.Parallel() // mostly waits for ICE timeouts
		r := startRoom(t)
		page := r.open(b)
		address := r.url.Host
		r.kill()
		page.find("#banner[data-code=lost]:not([hidden])")
		page.find("#banner[data-code=unreachable]:not([hidden])")
		r.start(address)
		page.in()
		page.find("#banner[hidden]")
		page.say("again")
		page.sees(page, "again")
	})
}
