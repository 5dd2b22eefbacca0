package wpt

// openRows are about the events open and datachannel.
func openRows() []Row {
	return []Row{
		{onopenFile, "open comes once, in state open, at both ends", Both, openOnce},
		{onchannelFile, "once for each channel, already open", Once, channelOnce},
		{onchannelFile, "the handler may send", Once, channelSends},
		{onchannelFile, "closing in the handler suppresses open but not what was sent", Once, channelCloses},
		{onchannelFile, "closing after the handler does not suppress open", Once, channelClosesLater},
		{onchannelFile, "not for negotiated channels", Once, channelNegotiated},
		{channelsFile, "null until connected, then the same at both ends", Once, maxChannels},
	}
}

func openOnce(c *Case) {
	ends := c.prepare("", Init{})
	c.Connect()
	near, far := ends()
	for _, ch := range []Channel{near, far} {
		if e := c.want(ch, "open"); e.State != "open" {
			c.Errorf("open in state %s", e.State)
		}
	}
	c.quiet(near, far)
}

func channelOnce(c *Case) {
	near := c.create(c.Near, "one", Init{})
	c.Connect()
	far, state := c.Far.Accept()
	if state != "open" {
		c.Errorf("readyState %s in the handler", state)
	}
	c.want(near, "open")
	c.want(far, "open")
	c.quiet(near, far)
	if n := c.Far.Accepted() + c.Near.Accepted(); n != 0 {
		c.Errorf("%d further channels", n)
	}
}

func channelSends(c *Case) {
	c.Far.InDataChannel("from the handler", false)
	near := c.create(c.Near, "", Init{})
	c.Connect()
	far, _ := c.Far.Accept()
	c.want(near, "open")
	c.wantMessages(near, text("from the handler"))
	c.want(far, "open")
}

func channelCloses(c *Case) {
	c.Far.InDataChannel("just before", true)
	near := c.create(c.Near, "", Init{})
	c.Connect()
	far, _ := c.Far.Accept()
	c.want(near, "open")
	c.wantMessages(near, text("just before"))
	c.want(near, "closing", "close")
	c.want(far, "close") // and not open
	c.quiet(near, far)
}

func channelClosesLater(c *Case) {
	near := c.create(c.Near, "", Init{})
	c.Connect()
	far, _ := c.Far.Accept()
	c.want(far, "open")
	far.Close()
	c.want(near, "open", "closing", "close")
	c.want(far, "close")
}

func channelNegotiated(c *Case) {
	init := Init{Negotiated: true, ID: ptr[uint16](42)}
	near, far := c.create(c.Near, "", init), c.create(c.Far, "", init)
	c.Connect()
	c.want(near, "open")
	c.want(far, "open")
	c.quiet(near, far)
	if n := c.Far.Accepted() + c.Near.Accepted(); n != 0 {
		c.Errorf("%d datachannel events", n)
	}
}

func maxChannels(c *Case) {
	near := c.create(c.Near, "", Init{})
	if _, _, n := c.Near.SCTP(); n != 0 {
		c.Errorf("maxChannels %d before connecting", n)
	}
	c.Connect()
	c.want(near, "open")
	s1, _, n1 := c.Near.SCTP()
	s2, _, n2 := c.Far.SCTP()
	if n1 != n2 || n1 == 0 || s1 != "connected" || s2 != "connected" {
		c.Errorf("near %s with %d channels, far %s with %d", s1, n1, s2, n2)
	}
}
