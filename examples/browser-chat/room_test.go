package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// guest speaks the protocol by hand.
type guest struct {
	*wire
	seen []event
}

func key(name string) string { return "secret of " + name + strings.Repeat("-", 16) }

// enter joins under a name that is the key as well, and reads up to the
// people list with the guest in it.
func enter(t *testing.T, r *room, name string) *guest {
	t.Helper()
	g := connectGuest(t, r)
	g.ask(request{Type: "hello", V: protocolVersion, Key: key(name), Nick: name})
	g.want("people", func(e event) bool { return len(e.People) > 0 })
	return g
}

func connectGuest(t *testing.T, r *room) *guest {
	t.Helper()
	w, err := newWire(t, r, 16)
	if err != nil {
		t.Fatal(err)
	}
	return &guest{wire: w}
}

func (g *guest) ask(q request) {
	g.t.Helper()
	g.write(encode(q))
}

func (g *guest) write(b []byte) {
	g.t.Helper()
	if err := g.chat.WriteMessage(g.t.Context(), b, true); err != nil {
		g.t.Fatalf("request %s: %v", b, err)
	}
}

// next returns the next event, or false when none comes within a second.
func (g *guest) next() (event, bool) {
	g.t.Helper()
	ctx, cancel := context.WithTimeout(g.t.Context(), time.Second)
	defer cancel()
	b, isText, err := g.chat.ReadMessage(ctx)
	if err != nil {
		return event{}, false
	}
	var e event
	if err := json.Unmarshal(b, &e); err != nil || !isText {
		g.t.Fatalf("event %q: %v", b, err)
	}
	g.seen = append(g.seen, e)
	return e, true
}

// want reads events up to one of this type that fits.
func (g *guest) want(kind string, fits func(event) bool) event {
	g.t.Helper()
	for {
		e, ok := g.next()
		if !ok {
			g.t.Fatalf("no event %s that fits; last came: %s", kind, encode(g.seen[max(0, len(g.seen)-5):]))
		}
		if e.Type == kind && (fits == nil || fits(e)) {
			return e
		}
	}
}

func (g *guest) wantEntry(kind, nick, text string) entry {
	g.t.Helper()
	return *g.want("entry", func(e event) bool {
		return e.Entry.Kind == kind && e.Entry.Nick == nick && e.Entry.Text == text
	}).Entry
}

// drain reads what has come.
func (g *guest) drain() {
	for {
		if _, ok := g.next(); !ok {
			return
		}
	}
}

func (g *guest) nicks(e event) string {
	var names []string
	for _, p := range e.People {
		if p.Away {
			p.Nick += "?"
		}
		names = append(names, p.Nick)
	}
	return strings.Join(names, ",")
}

func inRoom(t *testing.T, cfg config, f func(t *testing.T, r *room)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		r := newRoom(cfg)
		defer r.close()
		f(t, r)
	})
}

func TestChatReachesEverybodyAndLatecomers(t *testing.T) {
	inRoom(t, config{History: 3}, func(t *testing.T, r *room) {
		ann, bob := enter(t, r, "ann"), enter(t, r, "bob")
		ann.ask(request{Type: "say", Text: "  hello\x1b[2J ", Ref: "r1"})
		if e := bob.wantEntry("say", "ann", "hello[2J"); e.Ref != "r1" || e.At == 0 {
			t.Errorf("entry %+v", e)
		}
		ann.wantEntry("say", "ann", "hello[2J")
		for i := range 4 {
			bob.ask(request{Type: "say", Text: fmt.Sprint("line ", i)})
		}
		bob.wantEntry("say", "bob", "line 3")

		late := enter(t, r, "late")
		var got []string
		for _, e := range late.seen {
			if e.Type == "entry" {
				got = append(got, e.Entry.Kind+" "+e.Entry.Text)
			}
		}
		if want := "say line 1,say line 2,say line 3,join "; strings.Join(got, ",") != want {
			t.Errorf("history %q, want %q", got, want)
		}
	})
}

func TestReconnectGetsOnlyWhatItMissed(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob := enter(t, r, "ann"), enter(t, r, "bob")
		ann.ask(request{Type: "say", Text: "one"})
		last := bob.wantEntry("say", "ann", "one").Seq
		bob.cut()
		ann.want("people", func(e event) bool { return ann.nicks(e) == "ann,bob?" })
		ann.ask(request{Type: "say", Text: "two"})
		ann.wantEntry("say", "ann", "two")

		again := connectGuest(t, r)
		again.ask(request{Type: "hello", V: protocolVersion, Key: key("bob"), Nick: "bob", Room: r.epoch, After: last})
		again.want("people", nil)
		for _, e := range again.seen {
			switch {
			case e.Type == "welcome" && e.Fresh:
				t.Error("told to forget what it has seen")
			case e.Type == "entry" && e.Entry.Text != "two":
				t.Errorf("entry %+v", e.Entry)
			}
		}
		ann.want("people", func(e event) bool { return ann.nicks(e) == "ann,bob" })
		ann.drain()
		for _, e := range ann.seen {
			if e.Type == "entry" && e.Entry.Nick == "bob" && e.Entry.Kind != "join" {
				t.Errorf("a short absence was announced: %+v", e.Entry)
			}
		}
	})
}

func TestKilledTabLeavesAfterGrace(t *testing.T) {
	inRoom(t, config{Grace: 4 * time.Second}, func(t *testing.T, r *room) {
		ann, bob := enter(t, r, "ann"), enter(t, r, "bob")
		bob.ask(request{Type: "offer", Name: "a.bin", Size: 3})
		id := ann.want("entry", func(e event) bool { return e.Entry.Kind == "file" }).Entry.File.ID
		lost := time.Now()
		bob.cut()
		netsim.Elapse(2 * time.Second) // virtual
		ann.drain()
		netsim.Elapse(time.Second)
		if e := ann.want("gone", nil); e.FileID != id {
			t.Errorf("gone %q, want %q", e.FileID, id)
		}
		e := ann.wantEntry("leave", "bob", "")
		if d := time.UnixMilli(e.At).Sub(lost); d != 4*time.Second {
			t.Errorf("left after %v", d)
		}
		ann.want("people", func(e event) bool { return ann.nicks(e) == "ann" })
		if late := enter(t, r, "late"); true {
			for _, e := range late.seen {
				if e.Type == "entry" && e.Entry.File != nil && !e.Entry.File.Gone {
					t.Error("a file of somebody who left is on offer")
				}
			}
		}
	})
}

func TestSecondWindowReplacesTheFirst(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		first := enter(t, r, "ann")
		enter(t, r, "ann")
		if e := first.want("bye", nil); e.Code != "replaced" {
			t.Errorf("bye %+v", e)
		}
	})
}

func TestNames(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann := enter(t, r, "Ann")
		other := connectGuest(t, r)
		other.ask(request{Type: "hello", V: protocolVersion, Key: key("x"), Nick: " ann\n"})
		ann.want("people", func(e event) bool { return ann.nicks(e) == "Ann,ann 2" })
		other.ask(request{Type: "nick", Nick: "bea"})
		ann.wantEntry("nick", "ann 2", "bea")
		ann.want("people", func(e event) bool { return ann.nicks(e) == "Ann,bea" })
		ann.ask(request{Type: "leave"})
		if e := ann.want("bye", nil); e.Code != "left" {
			t.Errorf("bye %+v", e)
		}
		other.wantEntry("leave", "Ann", "")
	})
}

func TestBadRequestsAreAnswered(t *testing.T) {
	cases := []struct {
		desc, in, code string
	}{
		{"no JSON", `{`, "protocol"},
		{"unknown request", `{"type":"fly"}`, "protocol"},
		{"empty message", `{"type":"say","text":" "}`, "protocol"},
		{"long message", `{"type":"say","text":"` + strings.Repeat("x", maxText+1) + `"}`, "protocol"},
		{"large message", `{"type":"say","text":"` + strings.Repeat("x", maxRequest) + `"}`, "protocol"},
		{"empty name", `{"type":"nick","nick":"\u202e"}`, "protocol"},
		{"large file", `{"type":"offer","name":"x","size":1001}`, "size"},
		{"negative file", `{"type":"offer","name":"x","size":-1}`, "protocol"},
	}
	inRoom(t, config{MaxFile: 1000}, func(t *testing.T, r *room) {
		ann := enter(t, r, "ann")
		for _, c := range cases {
			netsim.Elapse(time.Second)
			ann.write([]byte(c.in))
			if e := ann.want("problem", nil); e.Code != c.code || e.Reason == "" {
				t.Errorf("%s: problem %+v", c.desc, e)
			}
		}
		ann.ask(request{Type: "hello", V: protocolVersion, Key: key("ann"), Nick: "ann"})
		if e := ann.want("bye", nil); e.Code != "protocol" {
			t.Errorf("second hello: %+v", e)
		}
		for _, first := range []string{`{"type":"say","text":"hi"}`, `{"type":"hello","v":0}`, `{`} {
			g := connectGuest(t, r)
			g.write([]byte(first))
			if e := g.want("bye", nil); e.Code != "protocol" {
				t.Errorf("first message %s: %+v", first, e)
			}
		}
	})
}

func TestFloodIsLimitedThenEnded(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob := enter(t, r, "ann"), enter(t, r, "bob")
		go func() {
			for {
				if ann.chat.WriteMessage(t.Context(), encode(request{Type: "say", Text: "x"}), true) != nil {
					return
				}
			}
		}()
		if e := ann.want("bye", nil); e.Code != "flood" {
			t.Errorf("bye %+v", e)
		}
		ann.cut()
		bob.want("people", func(e event) bool { return bob.nicks(e) == "ann?,bob" })
		netsim.Elapse(r.cfg.Grace)
		bob.wantEntry("leave", "ann", "")
		said := 0
		for _, e := range bob.seen {
			if e.Type == "entry" && e.Entry.Kind == "say" {
				said++
			}
		}
		if said > 21 {
			t.Errorf("%d messages passed", said)
		}
	})
}

func TestSlowMemberDoesNotStallTheRoom(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann := enter(t, r, "ann")
		enter(t, r, "slow") // reads nothing from here on
		for i := range 200 {
			ann.ask(request{Type: "say", Text: fmt.Sprint(i)})
			ann.wantEntry("say", "ann", fmt.Sprint(i))
			netsim.Elapse(time.Second / 4)
		}
		for _, e := range ann.seen {
			if e.Type == "entry" && e.Entry.Kind == "leave" && e.Entry.Nick == "slow" {
				return
			}
		}
		t.Error("the slow member was not disconnected")
	})
}

func TestQueueOfAMemberIsBounded(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		slow := enter(t, r, "slow")
		r.mu.Lock()
		for range 2 * outQueue { // some leave the queue meanwhile
			r.say(slow.link.who, entry{Kind: "say", Text: "x"})
		}
		r.mu.Unlock()
		if e := slow.want("bye", nil); e.Code != "slow" {
			t.Errorf("bye %+v", e)
		}
	})
}

func TestRoomIsBounded(t *testing.T) {
	inRoom(t, config{Members: 2}, func(t *testing.T, r *room) {
		enter(t, r, "ann")
		enter(t, r, "bob")
		third := connectGuest(t, r)
		third.ask(request{Type: "hello", V: protocolVersion, Key: key("c"), Nick: "c"})
		if e := third.want("bye", nil); e.Code != "full" {
			t.Errorf("bye %+v", e)
		}
		third.cut()
		synctest.Wait()
		silent := 0
		for ; ; silent++ {
			if _, err := newWire(t, r, 1); err != nil {
				if !errors.Is(err, errFull) {
					t.Fatal(err)
				}
				break
			}
		}
		if silent != 8 {
			t.Errorf("%d connections without a hello", silent)
		}
		netsim.Elapse(helloTimeout)
		synctest.Wait()
		if _, err := newWire(t, r, 1); err != nil {
			t.Errorf("after the silent ones were ended: %v", err)
		}
	})
}

func TestPointersAndPings(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann, bob := enter(t, r, "ann"), enter(t, r, "bob")
		ann.live.TrySend(encode(live{T: "ping", N: 7}))
		if b, _, err := ann.live.ReadMessage(t.Context()); err != nil || string(b) != `{"t":"pong","n":7}` {
			t.Errorf("pong %s, %v", b, err)
		}
		ann.live.TrySend([]byte("garbage"))
		ann.live.TrySend(encode(live{T: "ptr", N: 1, X: 0.25, Y: 7, I: "forged"}))
		b, _, err := bob.live.ReadMessage(t.Context())
		if want := string(encode(live{T: "ptr", N: 1, I: memberID(key("ann")), X: 0.25, Y: 1})); err != nil || string(b) != want {
			t.Errorf("pointer %s, %v, want %s", b, err, want)
		}
	})
}

func TestChannelsOutsideTheProtocolAreClosed(t *testing.T) {
	inRoom(t, config{}, func(t *testing.T, r *room) {
		ann := enter(t, r, "ann")
		for _, label := range []string{"chat", "live", "", "other"} {
			if _, _, err := ann.open(label, 1).ReadMessage(t.Context()); err == nil {
				t.Errorf("channel %q is read", label)
			}
		}
	})
}
