package wpt

import "fmt"

// sendRows are about messages.
func sendRows() []Row {
	return []Row{
		{sendFile, "send while connecting is an InvalidStateError", Alone, sendConnecting},
		{sendFile, "mixed messages keep type, content and order", Both, sendMixed},
		{sendFile, "every size up to maxMessageSize and none above", Both, sendSizes},
		{bothFile, "both ways, empty messages included", Both, sendBothWays},
		{bothFile, "a channel that is ordered at one end only", Once, sendAsymmetric},
		{orderFile, "messages arrive in the order of send", Both, sendOrder},
		{stressFile, "many channels with many messages both ways", Both, sendStress},
		{sizeFile, "is what the peer said", Once, maxMessageSize},
		{restartFile, "messages pass during and after a restart", Both, sendAcrossRestart},
		{restartFile, "messages pass at each step of a restart", Both, sendInRestart},
	}
}

func sendConnecting(c *Case) {
	for _, init := range []Init{{}, {Negotiated: true, ID: ptr[uint16](0)}} {
		ch := c.create(c.Near, "", init)
		c.sendThrows("text", ch, text("hello"), InvalidState)
		c.sendThrows("binary", ch, binary([]byte("hello")), InvalidState)
		c.sendThrows("nothing", ch, binary(nil), InvalidState)
		if n := ch.Attributes().BufferedAmount; n != 0 {
			c.Errorf("bufferedAmount %d", n)
		}
	}
}

// mixed are messages of all kinds.
var mixed = []Message{
	text("hello"), binary([]byte("hello")), text(""), binary(nil), text("\u4e16\u754c\u4f60\u597d"), binary([]byte("\u4e16\u754c\u4f60\u597d")),
	text("\x00"), binary([]byte{0, 255, 0}), text("a"), text("\U0001f600"),
}

func sendMixed(c *Case) {
	near, far := c.open(Init{})
	c.send(near, mixed...)
	c.wantMessages(far, mixed...)
	c.quiet(near, far)
}

func sendSizes(c *Case) {
	near, far := c.open(Init{})
	_, most, _ := c.Near.SCTP()
	limit := c.Most
	if most < float64(limit) {
		limit = int(most)
	}
	send := func(n int) {
		c.Helper()
		data := pattern(n, n)
		c.send(near, binary(data), text(string(data)))
		c.wantMessages(far, binary(data), text(string(data)))
	}
	for n := 1; n < limit; n *= 2 {
		send(n)
	}
	send(limit)
	if limit < c.Most {
		c.sendThrows("one above, binary", near, binary(make([]byte, limit+1)), TypeError)
		c.sendThrows("one above, text", near, text(string(pattern(limit+1, 0))), TypeError)
		c.wantState(near, "open")
	}
	c.quiet(near, far)
}

func sendBothWays(c *Case) {
	near, far := c.open(Init{})
	c.send(near, mixed...)
	c.send(far, mixed...)
	c.wantMessages(far, mixed...)
	c.wantMessages(near, mixed...)
	c.quiet(near, far)
}

func sendAsymmetric(c *Case) {
	id := ptr[uint16](99)
	near := c.create(c.Near, "near", Init{Negotiated: true, ID: id, Ordered: ptr(true)})
	far := c.create(c.Far, "far", Init{Negotiated: true, ID: id, Ordered: ptr(false), Protocol: "other"})
	c.Connect()
	c.want(near, "open")
	c.want(far, "open")
	c.send(near, mixed...)
	c.wantMessages(far, mixed...)
	for i := range 5 { // no order: one at a time
		data := pattern(1000, i)
		c.send(far, binary(data))
		c.wantMessages(near, binary(data))
	}
}

func sendOrder(c *Case) {
	near, far := c.open(Init{})
	messages := repeat(50, func(i int) Message {
		if i%2 == 0 {
			return binary(fmt.Appendf(pattern(i*500, i), "%d", i))
		}
		return text(fmt.Sprint(i))
	})
	c.send(near, messages...)
	c.wantMessages(far, messages...)
	c.quiet(near, far)
}

func sendStress(c *Case) {
	var pending []func() (Channel, Channel)
	for i := range c.Stress {
		if c.Negotiated && i%3 == 0 { // ordered one way only
			id := ptr(uint16(100 + i))
			near := c.create(c.Near, "", Init{Negotiated: true, ID: id, Ordered: ptr(i%2 == 0)})
			far := c.create(c.Far, "", Init{Negotiated: true, ID: id, Ordered: ptr(i%2 != 0)})
			pending = append(pending, func() (Channel, Channel) { return near, far })
			continue
		}
		pending = append(pending, c.prepare(fmt.Sprint(i), Init{Ordered: ptr(i%2 == 0)}))
	}
	c.Connect()
	var ends [][2]Channel
	for _, both := range pending {
		near, far := both()
		c.want(near, "open")
		c.want(far, "open")
		ends = append(ends, [2]Channel{near, far})
	}
	size := func(i int) int { return 1 + i*65535/max(1, c.Stress-1) }
	for i := range c.Stress {
		for _, both := range ends {
			for _, ch := range both {
				c.send(ch, binary(pattern(size(i), i)))
			}
		}
	}
	for _, both := range ends {
		for _, ch := range both {
			got := make(map[int]bool)
			for range c.Stress {
				e := c.want(ch, "message")
				i := (len(e.Data) - 1) * max(1, c.Stress-1) / 65535
				for size(i) < len(e.Data) {
					i++
				}
				if want := pattern(size(i), i); got[i] || string(e.Data) != string(want) {
					c.Fatalf("message %d of %d bytes is wrong or came twice", i, len(e.Data))
				}
				got[i] = true
			}
		}
	}
}

func maxMessageSize(c *Case) {
	near := c.create(c.Near, "", Init{})
	if _, n, _ := c.Near.SCTP(); n != 0 {
		c.Errorf("maxMessageSize %v before there is an answer", n)
	}
	c.Connect()
	c.want(near, "open")
	for name, e := range map[string]End{"near": c.Near, "far": c.Far} {
		if _, n, _ := e.SCTP(); n < 65536 {
			c.Errorf("maxMessageSize of %s is %v", name, n)
		}
	}
}

func sendAcrossRestart(c *Case) {
	if c.Restart == nil {
		return
	}
	near, far := c.open(Init{})
	first, second := patterns(20, 5000), patterns(5, 5000)
	c.send(near, first...)
	c.send(far, first...)
	c.Restart(func() {})
	c.wantMessages(far, first...)
	c.wantMessages(near, first...)
	c.send(near, second...)
	c.send(far, second...)
	c.wantMessages(far, second...)
	c.wantMessages(near, second...)
	c.quiet(near, far)
}

func sendInRestart(c *Case) {
	if c.Restart == nil {
		return
	}
	near, far := c.open(Init{})
	steps := 0
	pass := func() {
		there, back := patterns(steps+1, 1000), patterns(1, 20000*steps)
		c.send(near, there...)
		c.wantMessages(far, there...)
		c.send(far, back...)
		c.wantMessages(near, back...)
		steps++
	}
	pass()
	c.Restart(pass)
	if steps != 5 {
		c.Errorf("%d steps, want 4", steps-1)
	}
	pass()
	c.quiet(near, far)
}
