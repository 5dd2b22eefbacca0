package wpt

import (
	"fmt"
	"reflect"
	"strings"
)

// createRows are about createDataChannel, before and after the ends are connected.
func createRows() []Row {
	return []Row{
		{createFile, "defaults", Alone, defaults},
		{createFile, "values given are kept", Alone, kept},
		{createFile, "limits of 0 are limits", Alone, zeroLimits},
		{createFile, "both limits are a TypeError", Alone, bothLimits},
		{createFile, "an id without negotiated is ignored", Alone, idIgnored},
		{createFile, "ids of negotiated channels", Alone, negotiatedIDs},
		{createFile, "65535 bytes of label and of protocol and no more", Alone, longNames},
		{createFile, "the same label twice", Once, sameLabel},
		{createFile, "an id in use is an OperationError before and after connecting", Once, idInUse},
		{createFile, "a closed connection is an InvalidStateError", Alone, createClosed},
		{createFile, "a channel of a connected connection opens later", Both, createConnected},
		{idFile, "even ids for one side and odd ones for the other", Once, idParity},
		{dcepFile, "all types with all attributes", Once, dcepTypes},
		{dcepFile, "empty label and protocol", Once, dcepEmpty},
		{dcepFile, "65535 bytes of label and protocol", Once, dcepLong},
	}
}

// wantAttributes compares what does not change.
func (c *Case) wantAttributes(ch Channel, label string, init Init, id *uint16) {
	c.Helper()
	a := ch.Attributes()
	want := Attributes{Label: label, Ordered: init.Ordered == nil || *init.Ordered, MaxPacketLifeTime: init.MaxPacketLifeTime,
		MaxRetransmits: init.MaxRetransmits, Protocol: init.Protocol, Negotiated: init.Negotiated, ID: id,
		ReadyState: a.ReadyState, BufferedAmount: a.BufferedAmount, LowThreshold: a.LowThreshold}
	if !reflect.DeepEqual(a, want) {
		c.Errorf("label %.20q, protocol %.20q, ordered %v, lifetime %s, retransmits %s, negotiated %v, id %s; want %+v", a.Label, a.Protocol,
			a.Ordered, show(a.MaxPacketLifeTime), show(a.MaxRetransmits), a.Negotiated, show(a.ID), init)
	}
}

func defaults(c *Case) {
	ch := c.create(c.Near, "", Init{})
	if a := ch.Attributes(); !reflect.DeepEqual(a, Attributes{Ordered: true, ReadyState: "connecting"}) {
		c.Errorf("%+v", a)
	}
}

func kept(c *Case) {
	for _, init := range []Init{
		{Ordered: ptr(false)}, {Ordered: ptr(true)}, {MaxPacketLifeTime: ptr[uint16](39)}, {MaxRetransmits: ptr[uint16](57)},
		{Protocol: "proto"}, {Negotiated: true, ID: ptr[uint16](65534), Ordered: ptr(false), Protocol: "p"},
	} {
		c.wantAttributes(c.create(c.Near, "label", init), "label", init, init.ID)
	}
}

func zeroLimits(c *Case) {
	for _, init := range []Init{{MaxPacketLifeTime: ptr[uint16](0)}, {MaxRetransmits: ptr[uint16](0)}} {
		c.wantAttributes(c.create(c.Near, "", init), "", init, nil)
	}
}

func bothLimits(c *Case) {
	for _, n := range [][2]uint16{{0, 0}, {42, 57}} {
		_, err := c.Near.Create("", Init{MaxPacketLifeTime: &n[0], MaxRetransmits: &n[1]})
		c.wantThrown(fmt.Sprint(n), err, TypeError)
	}
}

func idIgnored(c *Case) {
	for _, id := range []uint16{0, 1, 65534, 65535} {
		c.wantAttributes(c.create(c.Near, "", Init{ID: &id}), "", Init{}, nil)
	}
}

func negotiatedIDs(c *Case) {
	for _, id := range []uint16{0, 1, 65534} {
		c.wantAttributes(c.create(c.Near, "", Init{Negotiated: true, ID: &id}), "", Init{Negotiated: true}, &id)
	}
	_, err := c.Near.Create("", Init{Negotiated: true, ID: ptr[uint16](65535)})
	c.wantThrown("id 65535", err, TypeError)
	_, err = c.Near.Create("", Init{Negotiated: true})
	c.wantThrown("no id", err, TypeError)
}

func longNames(c *Case) {
	for _, long := range []string{strings.Repeat("a", 65536), strings.Repeat("\u4f60", 21846)} {
		_, err := c.Near.Create(long, Init{})
		c.wantThrown("label", err, TypeError)
		_, err = c.Near.Create("", Init{Protocol: long})
		c.wantThrown("protocol", err, TypeError)
	}
	for _, most := range []string{strings.Repeat("a", 65535), strings.Repeat("\u4f60", 21845)} {
		c.wantAttributes(c.create(c.Near, most, Init{Protocol: most}), most, Init{Protocol: most}, nil)
	}
}

func sameLabel(c *Case) {
	first, second := c.prepare("same", Init{}), c.prepare("same", Init{})
	c.Connect()
	for _, ends := range []func() (Channel, Channel){first, second} {
		near, far := ends()
		c.want(near, "open")
		c.want(far, "open")
		c.send(near, text("hello"))
		c.wantMessages(far, text("hello"))
	}
}

func idInUse(c *Case) {
	negotiated := Init{Negotiated: true, ID: ptr[uint16](42)}
	use := func(id uint16, e End, when string) {
		c.Helper()
		_, err := e.Create("", Init{Negotiated: true, ID: &id})
		c.wantThrown(when, err, Operation)
	}
	c.create(c.Near, "", negotiated)
	c.create(c.Far, "", negotiated)
	use(42, c.Near, "negotiated, before connecting")
	inBand := c.create(c.Near, "", Init{})
	c.Connect()
	c.want(inBand, "open")
	far, _ := c.Far.Accept()
	id := *inBand.Attributes().ID
	for name, e := range map[string]End{"near": c.Near, "far": c.Far} {
		use(42, e, "negotiated, connected, "+name)
		use(id, e, "by DCEP, "+name)
	}
	c.want(far, "open")
}

func createClosed(c *Case) {
	c.Near.Close()
	for _, init := range []Init{{}, {Negotiated: true}, {MaxRetransmits: ptr[uint16](0), MaxPacketLifeTime: ptr[uint16](0)}} {
		_, err := c.Near.Create("", init)
		c.wantThrown("createDataChannel", err, InvalidState)
	}
}

func createConnected(c *Case) {
	c.open(Init{})
	for _, e := range [][2]End{{c.Near, c.Far}, {c.Far, c.Near}} {
		a, b := c.between(e[0], e[1], "later", Init{})()
		c.want(a, "open")
		c.want(b, "open")
		if a, b := a.Attributes().ID, b.Attributes().ID; a == nil || b == nil || *a != *b {
			c.Errorf("ids %s and %s", show(a), show(b))
		}
		c.send(a, text("hello"))
		c.wantMessages(b, text("hello"))
	}
}

func idParity(c *Case) {
	const n = 5
	var ours []Channel
	for range n {
		ours = append(ours, c.create(c.Near, "", Init{}))
	}
	c.Connect()
	for range n {
		ours = append(ours, c.create(c.Far, "", Init{}))
	}
	seen := make(map[uint16]bool)
	for i, ch := range ours {
		c.want(ch, "open")
		id, first := ch.Attributes().ID, ours[i/n*n].Attributes().ID
		if id == nil || first == nil || seen[*id] || *id%2 != *first%2 {
			c.Fatalf("channel %d has id %s, the first %s", i, show(id), show(first))
		}
		seen[*id] = true
	}
	if a, b := *ours[0].Attributes().ID, *ours[n].Attributes().ID; a%2 == b%2 {
		c.Errorf("both sides have ids like %d and %d", a, b)
	}
	for range n {
		for _, e := range []End{c.Near, c.Far} {
			ch, _ := e.Accept()
			if id := ch.Attributes().ID; id == nil || !seen[*id] {
				c.Errorf("a channel comes with id %s", show(id))
			}
		}
	}
}

// dcepTypes is about the six channel types, with the least and the greatest limits.
func dcepTypes(c *Case) {
	var inits []Init
	for _, ordered := range []bool{true, false} {
		inits = append(inits, Init{Ordered: &ordered})
		for _, n := range []uint16{0, 1, 65535} {
			inits = append(inits, Init{Ordered: &ordered, MaxRetransmits: &n}, Init{Ordered: &ordered, MaxPacketLifeTime: &n})
		}
	}
	first := c.prepare("first", Init{})
	c.Connect()
	first()
	for i, init := range inits {
		init.Protocol = fmt.Sprint("protocol ", i)
		label := fmt.Sprint("caf\u00e9 ", i)
		for _, e := range [][2]End{{c.Near, c.Far}, {c.Far, c.Near}} {
			near := c.create(e[0], label, init)
			far, _ := e[1].Accept()
			c.want(near, "open")
			id := near.Attributes().ID
			if id == nil || *id > 65534 {
				c.Fatalf("id %s", show(id))
			}
			c.wantAttributes(near, label, init, id)
			c.wantAttributes(far, label, init, id)
		}
	}
}

func dcepEmpty(c *Case) { c.wantNames("", "") }

func dcepLong(c *Case) {
	c.wantNames(strings.Repeat("a", 65535), strings.Repeat("\u4f60", 21845))
}

func (c *Case) wantNames(label, protocol string) {
	c.Helper()
	near := c.create(c.Near, label, Init{Protocol: protocol})
	c.Connect()
	far, _ := c.Far.Accept()
	c.want(near, "open")
	c.wantAttributes(far, label, Init{Protocol: protocol}, near.Attributes().ID)
}
