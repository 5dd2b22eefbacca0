package wpt

import "fmt"

// sendRows are about messages.
func sendRows() []Row {
	return []Row{
		{sendFile, "send while connecting is an InvalidStateError", false, sendConnecting},
		{sendFile, "mixed messages keep type, content and order", false, sendMixed},
		{sendFile, "every size up to maxMessageSize and none above", false, sendSizes},
		{bothFile, "both ways, empty messages included", false, sendBothWays},
		{bothFile, "a channel that is ordered at one end only", true, sendAsymmetric},
		{orderFile, "messages arrive in the order of send", false, sendOrder},
		{stressFile, "many channels with many messages both ways", false, sendStress},
		{sizeFile, "is what the peer said", true, maxMessageSize},
		{restartFile, "messages pass during and after a restart", false, sendAcrossRestart},
	}
}

func sendConnecting(c *Case) {
	id := ptr[uint16](0)
	if !c.Negotiated {
		id = nil
	}
	ch := c.create(c.Near, "", Init{Negotiated: c.Negotiated, ID: id})
	c.wantThrown("text", ch.SendText("hello"), InvalidState)
	c.wantThrown("binary", ch.Send([]byte("hello")), InvalidState)
	c.wantThrown("nothing", ch.Send(nil), InvalidState)
	if n := ch.Attributes().BufferedAmount; n != 0 {
		c.Errorf("bufferedAmount %d", n)
	}
}

// mixed are messages of all kinds.
var mixed = []struct {
	data string
	text bool
}{
	{"hello", true}, {"hello", false}, {"", true}, {"", false}, {"\u4e16\u754c\u4f60\u597d", true}, {"\u4e16\u754c\u4f60\u597d", false},
	{"\x00", true}, {"\x00\xff\x00", false}, {"a", true}, {"\U0001f600", true},
}

func (c *Case) sendMixed(from Channel) {
	c.Helper()
	for _, m := range mixed {
		if m.text {
			c.must(from.SendText(m.data))
		} else {
			c.must(from.Send([]byte(m.data)))
		}
	}
}

func (c *Case) wantMixed(at Channel) {
	c.Helper()
	for _, m := range mixed {
		c.wantMessage(at, []byte(m.data), m.text)
	}
}

func sendMixed(c *Case) {
	near, far := c.open(Init{})
	c.sendMixed(near)
	c.wantMixed(far)
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
		c.must(near.Send(data))
		c.wantMessage(far, data, false)
		c.must(near.SendText(string(data)))
		c.wantMessage(far, data, true)
	}
	for n := 1; n < limit; n *= 2 {
		send(n)
	}
	send(limit)
	if limit < c.Most {
		c.wantThrown("one above, binary", near.Send(make([]byte, limit+1)), TypeError)
		c.wantThrown("one above, text", near.SendText(string(pattern(limit+1, 0))), TypeError)
		c.wantState(near, "open")
	}
	c.quiet(near, far)
}

func sendBothWays(c *Case) {
	near, far := c.open(Init{})
	c.sendMixed(near)
	c.sendMixed(far)
	c.wantMixed(far)
	c.wantMixed(near)
	c.quiet(near, far)
}

func sendAsymmetric(c *Case) {
	id := ptr[uint16](99)
	near := c.create(c.Near, "near", Init{Negotiated: true, ID: id, Ordered: ptr(true)})
	far := c.create(c.Far, "far", Init{Negotiated: true, ID: id, Ordered: ptr(false), Protocol: "other"})
	c.Connect()
	c.want(near, "open")
	c.want(far, "open")
	c.sendMixed(near)
	c.wantMixed(far)
	for i := range 5 { // no order: one at a time
		data := pattern(1000, i)
		c.must(far.Send(data))
		c.wantMessage(near, data, false)
	}
}

func sendOrder(c *Case) {
	near, far := c.open(Init{})
	for i := range 50 {
		if i%2 == 0 {
			c.must(near.Send(fmt.Appendf(pattern(i*500, i), "%d", i)))
		} else {
			c.must(near.SendText(fmt.Sprint(i)))
		}
	}
	for i := range 50 {
		if i%2 == 0 {
			c.wantMessage(far, fmt.Appendf(pattern(i*500, i), "%d", i), false)
		} else {
			c.wantMessage(far, []byte(fmt.Sprint(i)), true)
		}
	}
	c.quiet(near, far)
}

func sendStress(c *Case) {
	var pending []func() (Channel, Channel)
	for i := range c.Stress {
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
			c.must(both[0].Send(pattern(size(i), i)))
			c.must(both[1].Send(pattern(size(i), i)))
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
	pass := func(n int) {
		for i := range n {
			c.must(near.Send(pattern(5000, i)))
			c.must(far.Send(pattern(5000, i)))
		}
	}
	want := func(n int) {
		c.Helper()
		for i := range n {
			c.wantMessage(far, pattern(5000, i), false)
			c.wantMessage(near, pattern(5000, i), false)
		}
	}
	pass(20)
	c.Restart()
	want(20)
	pass(5)
	want(5)
	c.quiet(near, far)
}
