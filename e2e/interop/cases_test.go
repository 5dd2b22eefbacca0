package interop

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/sluice-rtc/sluice/internal/netsim"
)

// A testCase is a column of the table.
type testCase struct {
	name string
	what string // for the reader of the table
	run  func(c *conversation)
}

// cases are the columns, in order.
var cases = []testCase{
	{"handshake", "either side offers, and either is the DTLS client: four connections, with a message each way; and without SNAP the same again, and either as the only one whose INIT arrives", handshake},
	{"in-band", "channels of the six kinds (ordered or not; reliable, maxRetransmits, maxPacketLifeTime), opened by either side over the association: their properties on both sides, 20 messages each way, in order on ordered ones", inBand},
	{"negotiated", "the same kinds as negotiated channels, made before and after the connection", negotiated},
	{"partial reliability", "maxRetransmits 0 and maxPacketLifeTime 50, ordered and not, 200 messages each way while 5 % of the packets are lost: what arrives is in order on ordered ones and comes once, and with maxRetransmits all of it again when nothing is lost; figures are what was given up of these, to the peer / from it", partial},
	{"sizes", "messages of 0 bytes to the maximum that the receiver announces (at most 1 MiB), text and binary, each way; one byte more is refused", sizes},
	{"channel close", "either side closes a channel right after 20 messages, which all arrive; both see it closed; another takes its place, four times", channelClose},
	{"connection close", "either side closes the connection, and the other notices within 20 s", connectionClose},
	{"100 channels", "50 channels opened by each side, half of them before the connection, with a message each way on each", hundredChannels},
	{"bulk", "messages of 16 KiB for the time given each way at once, on an ordered, reliable channel over a network that takes 5 ms and loses 1 % each way; rates are to the peer (with CUBIC, the default) / from it, with other peers on the machine at the same time: they show that it goes on, not how fast each is", bulkBothWays},
}

// handshake connects in each role.
func handshake(c *conversation) {
	var slowest time.Duration
	clients := []*side{c.us, c.them}
	if why := c.row.quirks.fixedRole; why != "" {
		c.out.note(why)
		clients = []*side{nil}
	}
	var roles []setup
	for _, theyOffer := range []bool{false, true} {
		for _, client := range clients {
			roles = append(roles, setup{theyOffer: theyOffer, client: client})
			begun := time.Now()
			c.connect(setup{theyOffer: theyOffer, client: client})
			slowest = max(slowest, time.Since(begun))
			c.exchange(first, false, batch{from: 1, count: 1, size: 100})
			want := map[*side]string{c.us: "client", c.them: "server"}[client]
			if got := c.stack.stats().Transport.DTLSRole; got != want && client != nil {
				c.t.Errorf("they offer %v: we are the DTLS %s, want %s", theyOffer, got, want)
			}
		}
	}
	initiators(c, roles)
	c.t.Logf("the slowest connection took %v", slowest)
}

// inBand opens channels of each kind by each side.
func inBand(c *conversation) {
	c.connect(setup{})
	told := true
	c.both(func(opener, other *side) {
		for i, k := range kinds(3, 5000) {
			if why := c.row.quirks.announcesOrdered; why != "" && opener == c.them && k.unordered && i > 1 {
				c.out.note(why)
				continue
			}
			k.protocol = fmt.Sprint("protocol ", i)
			label := opener.name + " " + k.name
			opener.open(label, k)
			told = c.has(label, k, opener) && told
			c.exchange(label, k.unordered, batch{from: i * 100, count: 20, size: 500})
		}
	})
	if !told {
		c.out.note("its library does not tell how a channel delivers")
	}
}

// has wants a channel open on both sides, as it should be; opener is who made it, nil if both.
func (c *conversation) has(label string, k kind, opener *side) (told bool) {
	c.t.Helper()
	told = true
	var streams []*uint16
	for _, s := range []*side{c.us, c.them} {
		p := s.opened(label)
		told = k.check(c.t, s.name, p) && told
		if want := opener != nil && opener != s; p.Incoming != want {
			c.t.Errorf("%s have %q announced: %v, want %v", s.name, label, p.Incoming, want)
		}
		streams = append(streams, p.Stream)
	}
	if ours, theirs := show(streams[0]), show(streams[1]); ours != theirs && theirs != "none" {
		c.t.Errorf("%q has stream %s here and %s there", label, ours, theirs)
	}
	return told
}

// negotiated makes the same channels on both sides.
func negotiated(c *conversation) {
	var all []kind
	for _, when := range []string{"before", "after"} {
		for _, k := range kinds(3, 5000) {
			stream := uint16(10 + len(all))
			k.name, k.stream = when+", "+k.name, &stream
			all = append(all, k)
		}
	}
	create := func(some []kind) {
		for _, k := range some {
			c.them.open(k.name, k)
			c.us.open(k.name, k)
		}
	}
	half := len(all) / 2
	c.connect(setup{theyOffer: true, before: func() { create(all[:half]) }})
	create(all[half:])
	for i, k := range all {
		c.has(k.name, k, nil)
		c.exchange(k.name, k.unordered, batch{from: i * 100, count: 20, size: 500})
	}
}

// partial sends on partially reliable channels over a bad network.
func partial(c *conversation) {
	bad := netsim.Conditions{Latency: 2 * time.Millisecond, Loss: 0.05}
	c.connect(setup{network: &bad})
	some, size := kinds(0, 50)[2:], 1000
	if why := c.row.quirks.losesBehindPart; why != "" {
		size = 200 // too little to be cut
		c.out.note(why)
	}
	for _, k := range some {
		c.us.open(k.name, k)
		c.has(k.name, k, c.us)
	}
	for _, k := range some {
		c.both(func(from, _ *side) { from.send(k.name, batch{count: lossy, size: size}) })
	}
	// All of that has been sent, or given up, when a later message arrives.
	sent, early := lossy, batch{count: lossy, size: size}.messages()
	for !c.passed(some, early) {
		for _, k := range some {
			c.both(func(from, _ *side) { from.send(k.name, batch{from: sent, count: 1, size: size}) })
		}
		sent++
		c.exchange(first, false, batch{from: sent, count: 1, size: size})
	}
	c.relay.improve(netsim.Conditions{Latency: bad.Latency})
	c.exchange(first, false, batch{from: 2, count: 3, size: size})
	const again = 20
	var lost []string
	c.both(func(from, to *side) {
		all, come := 0, 0
		for _, k := range some {
			from.send(k.name, batch{from: sent, count: again, size: size})
			n := c.wantLast(to, k, batch{count: sent + again, size: size}, again)
			if k.maxRetransmits != nil {
				all, come = all+sent+again, come+n
			}
		}
		lost = append(lost, fmt.Sprintf("%.0f %%", 100*float64(all-come)/float64(all)))
	})
	c.out.figure = strings.Join(lost, " / ")
}

// lossy is how many messages are sent at once on each channel while packets are lost.
const lossy = 200

// passed says whether each side has got a message on each channel that was sent after
// those early ones.
func (c *conversation) passed(some []kind, early []message) bool {
	all := true
	c.both(func(_, to *side) {
		to.mu.Lock()
		defer to.mu.Unlock()
		for _, k := range some {
			inbox := to.channel(k.name).inbox
			later := slices.ContainsFunc(inbox, func(m message) bool { return !slices.Contains(early, m) })
			all = all && later
		}
	})
	return all
}

// wantLast looks at what has come of a batch of which some were lost. With maxRetransmits it waits for
// the last n; that a lifetime suffices depends on the machine.
// It returns how many have come.
func (c *conversation) wantLast(to *side, k kind, b batch, n int) (come int) {
	c.t.Helper()
	sent := b.messages()
	var got []message
	arrived := func(m message) bool { return slices.Contains(got, m) }
	to.want(fmt.Sprintf("get the last messages on %q", k.name), func() bool {
		ch := to.channel(k.name)
		got, ch.inbox = append(got, ch.inbox...), nil
		return k.maxPacketLifeTime != nil || !slices.ContainsFunc(sent[b.count-n:], func(m message) bool { return !arrived(m) })
	})
	before := -1
	seen := make(map[int]bool)
	for _, m := range got {
		i := slices.Index(sent, m)
		switch {
		case i < 0:
			c.t.Errorf("%s got on %q what was not sent: %v", to.name, k.name, m)
		case seen[i]:
			c.t.Errorf("%s got message %d twice on %q", to.name, i, k.name)
		case i < before && !k.unordered:
			c.t.Errorf("%s got message %d after %d on %q", to.name, i, before, k.name)
		}
		seen[i], before = true, i
	}
	c.t.Logf("%s got %d of %d on %q", to.name, len(got), b.count, k.name)
	return len(got)
}

// sizes sends messages of every order of magnitude each way.
func sizes(c *conversation) {
	c.connect(setup{})
	const ours = 262144 // the default, which we announce
	c.both(func(from, to *side) {
		limit := ours
		if from == c.us {
			limit = c.limit
		}
		var list []int
		for n := 1; n < limit; n *= 4 {
			list = append(list, n)
		}
		list = append(list, 0, 1150, 1200, limit, 0, 3)
		for i, n := range list {
			for _, text := range []bool{false, true} {
				b := batch{from: i, count: 1, size: n, text: text}
				if n == 0 && from == c.them && c.row.quirks.noEmpty != "" {
					continue
				}
				from.send(first, b)
				wantMessages(c.t, fmt.Sprintf("%s (%d bytes, text %v)", to.name, n, text), to.receive(first, 1), b.messages(), false)
			}
		}
		c.t.Logf("%s sent up to %d bytes", from.name, limit)
	})
	c.out.note(c.row.quirks.noEmpty)
	if c.limit < maxPayload {
		if _, err := c.us.do(c.ctx, "send", members{"label": first, "from": 0, "count": 1, "size": c.limit + 1, "text": false}); err == nil {
			c.t.Errorf("we may send %d bytes, where they announce %d", c.limit+1, c.limit)
		}
	}
	c.out.figure = "to " + size(c.limit)
}

// size writes a number of bytes.
func size(n int) string {
	switch {
	case n >= 1<<20 && n%(1<<20) == 0:
		return fmt.Sprintf("%d MiB", n>>20)
	case n >= 1<<10 && n%(1<<10) == 0:
		return fmt.Sprintf("%d KiB", n>>10)
	}
	return fmt.Sprintf("%d bytes", n)
}

// channelClose closes channels from each side in turn.
func channelClose(c *conversation) {
	c.connect(setup{})
	for round := range 4 {
		opener, closer, other := c.us, c.us, c.them
		if round%2 == 1 {
			closer, other = c.them, c.us
		}
		if round >= 2 {
			opener = c.them
		}
		label := "short-lived"
		opener.open(label, kind{})
		c.has(label, kind{}, opener)
		c.exchange(label, false, batch{from: round, count: 1, size: 10})
		b := batch{from: round, count: 20, size: 2000}
		closer.send(label, b)
		closer.must("close", members{"label": label})
		why := c.row.quirks.closeLoses
		if other == c.them {
			why = c.row.quirks.closedLoses
		}
		if why != "" {
			c.out.note(why)
			other.closed(label)
			got, sent := other.drain(label), b.messages()
			wantMessages(c.t, fmt.Sprintf("%s in round %d", other.name, round), got, sent[:min(len(got), len(sent))], false)
		} else {
			wantMessages(c.t, fmt.Sprintf("%s in round %d", other.name, round), other.receive(label, b.count), b.messages(), false)
		}
		c.both(func(one, _ *side) {
			one.closed(label)
			one.forget(label)
		})
	}
	c.exchange(first, false, batch{from: 7, count: 1, size: 10})
	if n := c.stack.stats().SCTP.MessagesAbandoned; n > 0 {
		c.t.Errorf("we gave up %d messages", n)
	}
}

// connectionClose closes the connection from each side.
func connectionClose(c *conversation) {
	c.both(func(closer, other *side) {
		c.connect(setup{theyOffer: closer == c.them})
		c.exchange(first, false, batch{from: 1, count: 1, size: 10})
		closer.must("end", nil)
		ctx, cancel := context.WithTimeout(c.ctx, 20*time.Second)
		defer cancel()
		begun := time.Now()
		by := other.over(ctx, first)
		if by == "" {
			c.t.Errorf("%s closed the connection, and %s did not notice", closer.name, other.name)
		}
		took := time.Since(begun).Round(100 * time.Millisecond)
		c.t.Logf("%s closed, %s noticed after %v by %s", closer.name, other.name, took, by)
		if took > 2*time.Second {
			c.out.note(fmt.Sprintf("when %s close, %s notice after %v, by %s", closer.name, other.name, took.Round(time.Second), by))
		}
	})
}

// hundredChannels opens many channels at once.
func hundredChannels(c *conversation) {
	const each = 50
	open := func(from, to int) {
		c.both(func(opener, _ *side) {
			for i := from; i < to; i++ {
				opener.open(fmt.Sprint(opener.name, " ", i), kind{})
			}
		})
	}
	c.connect(setup{before: func() { open(0, each/2) }})
	open(each/2, each)
	owner := make(map[string]string) // label by stream
	c.both(func(opener, _ *side) {
		for i := range each {
			label := fmt.Sprint(opener.name, " ", i)
			c.has(label, kind{}, opener)
			stream := show(c.us.opened(label).Stream)
			if other, taken := owner[stream]; taken {
				c.t.Errorf("%q and %q share stream %s", label, other, stream)
			}
			owner[stream] = label
			c.both(func(from, _ *side) { from.send(label, batch{from: i, count: 1, size: 100 + i}) })
		}
	})
	for _, label := range owner {
		var i int
		_, _ = fmt.Sscan(label[strings.LastIndexByte(label, ' ')+1:], &i)
		c.both(func(_, to *side) {
			wantMessages(c.t, to.name+" on "+label, to.receive(label, 1), batch{from: i, count: 1, size: 100 + i}.messages(), false)
		})
	}
}

// bulkBothWays sends as much as will go each way at once, on an ordered, reliable channel.
func bulkBothWays(c *conversation) {
	const size = 16 << 10
	bad := netsim.Conditions{Latency: 5 * time.Millisecond, Loss: 0.01}
	c.connect(setup{network: &bad})
	c.both(func(one, _ *side) { one.must("check", members{"label": first}) })
	type outcome struct {
		reply
		err error
	}
	outcomes := make(map[*side]chan outcome)
	begun := time.Now()
	c.both(func(from, _ *side) {
		done := make(chan outcome, 1)
		outcomes[from] = done
		go func() {
			r, err := from.do(c.ctx, "bulk", members{"label": first, "size": size, "ms": int(*bulkTime / time.Millisecond)})
			done <- outcome{r, err}
		}()
	})
	var rates []string
	c.both(func(from, to *side) {
		sent := <-outcomes[from]
		if sent.err != nil {
			c.t.Fatalf("%s cannot send: %v\n%s", from.name, sent.err, from.report())
		}
		var e *event
		to.want("get the last of the bulk", func() bool {
			e = to.channel(first).checked
			return e != nil
		})
		if e.Wrong > 0 || e.Received != sent.Sent || sent.Sent == 0 {
			c.t.Errorf("%s sent %d messages, %s got %d, %d of them wrong", from.name, sent.Sent, to.name, e.Received, e.Wrong)
		}
		rates = append(rates, fmt.Sprintf("%.1f", float64(e.Received)*size/1e6/time.Since(begun).Seconds()))
	})
	c.out.figure = strings.Join(rates, " / ") + " MB/s"
	c.t.Logf("to them and from them: %s", c.out.figure)
}
