package wpt

// closeRows are about the end of a channel and of the connection.
func closeRows() []Row {
	return []Row{
		{closeFile, "the closer hears close, the other side closing and close", Both, closeByNear},
		{closeFile, "the same from the other side", Both, closeByFar},
		{closeFile, "what was sent before arrives", Both, closeAfterSend},
		{closeFile, "both sides at once", Both, closeByBoth},
		{closeFile, "before connecting", Both, closeBeforeConnecting},
		{closeFile, "sending is an InvalidStateError afterwards", Both, closeAndSend},
		{closeFile, "a closed channel's id serves again", Both, closeAndAgain},
		{closeFile, "pc.close() gives the other side error and close, and this one nothing", Both, closeConnection},
		{closeFile, "pc.close() by the other side", Both, closeConnectionFar},
		{closeFile, "pc.close() after both have closed gives nothing", Both, closeConnectionLater},
		{pcCloseFile, "all channels are closed at once, connected or not", Once, closeAll},
	}
}

func (c *Case) closes(near, far Channel) {
	c.Helper()
	near.Close()
	near.Close()
	if e := c.want(far, "closing"); e.State != "closing" {
		c.Errorf("closing in state %s", e.State)
	}
	for _, ch := range []Channel{far, near} {
		if e := c.want(ch, "close"); e.State != "closed" {
			c.Errorf("close in state %s", e.State)
		}
	}
	c.quiet(near, far)
}

func closeByNear(c *Case) { c.closes(c.open(Init{})) }

func closeByFar(c *Case) {
	near, far := c.open(Init{})
	c.closes(far, near)
}

func closeAfterSend(c *Case) {
	near, far := c.open(Init{})
	messages := patterns(20, 10000)
	c.send(near, messages...)
	near.Close()
	c.wantMessages(far, messages...)
	c.want(far, "closing", "close")
	c.want(near, "close")
	c.quiet(near, far)
}

func closeByBoth(c *Case) {
	near, far := c.open(Init{})
	near.Close()
	far.Close()
	for _, ch := range []Channel{near, far} { // one may have been late
		e := ch.Next()
		if e.Type == "closing" {
			e = ch.Next()
		}
		if e.Type != "close" {
			c.Errorf("%+v, want close", e)
		}
	}
	c.quiet(near, far)
}

func closeBeforeConnecting(c *Case) {
	keep := c.prepare("keep", Init{})
	id := ptr[uint16](77)
	if !c.Negotiated {
		id = nil
	}
	early := c.create(c.Near, "early", Init{Negotiated: c.Negotiated, ID: id})
	early.Close()
	c.Connect()
	near, far := keep()
	c.want(near, "open")
	c.want(far, "open")
	c.want(early, "close")
	c.quiet(early)
	c.wantState(early, "closed")
	if n := c.Far.Accepted(); n != 0 {
		c.Errorf("%d further channels at the other side", n)
	}
}

func closeAndSend(c *Case) {
	near, far := c.open(Init{})
	near.Close()
	c.sendThrows("closing", near, text("x"), InvalidState)
	c.want(far, "closing", "close")
	c.want(near, "close")
	c.sendThrows("closed", near, binary([]byte("x")), InvalidState)
	c.sendThrows("closed by the other side", far, binary([]byte("x")), InvalidState)
}

func closeAndAgain(c *Case) {
	near, far := c.open(Init{})
	first := near.Attributes().ID
	for i := range 3 {
		c.closes(near, far)
		if c.Negotiated {
			init := Init{Negotiated: true, ID: first}
			near, far = c.create(c.Near, "", init), c.create(c.Far, "", init)
		} else {
			near = c.create(c.Near, "", Init{})
			far, _ = c.Far.Accept()
		}
		c.want(near, "open")
		c.want(far, "open")
		if id := near.Attributes().ID; id == nil || *id != *first {
			c.Errorf("id %s, want %s", show(id), show(first))
		}
		c.send(near, binary(pattern(100, i)))
		c.wantMessages(far, binary(pattern(100, i)))
		c.quiet(near, far)
	}
}

func (c *Case) closesConnection(e End, near, far Channel) {
	c.Helper()
	e.Close()
	c.wantState(near, "closed")
	if state, _, _ := e.SCTP(); state != "closed" {
		c.Errorf("the transport is %s", state)
	}
	c.quiet(near)
	last := c.want(far, "error")
	if last.Name != string(Operation) || last.Detail != "sctp-failure" || last.Code != 12 || last.State != "closed" {
		c.Errorf("%+v", last)
	}
	c.want(far, "close")
	c.wantState(far, "closed")
	c.quiet(near, far)
}

func closeConnection(c *Case) {
	near, far := c.open(Init{})
	c.closesConnection(c.Near, near, far)
}

func closeConnectionFar(c *Case) {
	near, far := c.open(Init{})
	c.closesConnection(c.Far, far, near)
}

func closeConnectionLater(c *Case) {
	near, far := c.open(Init{})
	c.closes(near, far)
	c.Near.Close()
	c.quiet(near, far)
}

func closeAll(c *Case) {
	var all []Channel
	for i := range 24 {
		init := Init{}
		if i%2 == 1 {
			init = Init{Negotiated: true, ID: ptr(uint16(1000 + i))}
			all = append(all, c.create(c.Far, "", init))
		}
		all = append(all, c.create(c.Near, "", init))
	}
	c.Connect()
	for range 12 {
		ch, _ := c.Far.Accept()
		all = append(all, ch)
	}
	for _, ch := range all {
		c.want(ch, "open")
	}
	c.Near.Close()
	c.Far.Close()
	for _, ch := range all {
		c.wantState(ch, "closed")
	}
}
