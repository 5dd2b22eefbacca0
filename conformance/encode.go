package conformance

import "net/netip"

// A coder translates between items and bytes.
type coder struct {
	// fromEngine says that the engine sends what is coded.
	fromEngine bool
	// offset is what the engine's TSNs and request numbers are more than the
	// script's.
	offset uint32
	// tag translates the engine's Initiate Tags to the script's; nil: not at all.
	tag func(live uint32) uint32
	// cookie and heartbeat are what the engine sent last; they stand in for values
	// that the script leaves out.
	cookie, heartbeat []byte
}

// swapped is the coder for what the other side has sent.
func (c *coder) swapped() *coder {
	other := *c
	other.fromEngine = !c.fromEngine
	other.tag = nil
	return &other
}

// foreign says whether the numbers are the engine's.
func (c *coder) foreign(n numbering) bool {
	return n == sender && c.fromEngine || n == receiver && !c.fromEngine
}

// chunks appends the chunks of a packet.
func (c *coder) chunks(b []byte, chunks []*Value) ([]byte, error) {
	var err error
	for _, v := range chunks {
		if b, err = c.item(b, v, chunkTable); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// item appends a chunk, a parameter or a cause with its padding.
func (c *coder) item(b []byte, v *Value, t *table) ([]byte, error) {
	start := len(b)
	b, err := c.unpadded(b, v, t)
	if err != nil {
		return nil, err
	}
	for (len(b)-start)%4 != 0 {
		b = append(b, 0)
	}
	return b, nil
}

func (c *coder) unpadded(b []byte, v *Value, t *table) ([]byte, error) {
	start := len(b)
	l := t.byName(v.Text)
	if l == nil {
		return c.generic(b, v, t)
	}
	b = append(b, 0, 0, 0, 0)
	if t == chunkTable {
		b[start] = byte(l.code)
		if flags := v.field("flgs"); flags != nil && flags.Kind != Ellipsis {
			bits, err := l.flagBits(flags)
			if err != nil {
				return nil, err
			}
			b[start+1] = bits
		}
	} else {
		b[start], b[start+1] = byte(l.code>>8), byte(l.code)
	}
	for _, f := range l.fields {
		var n uint64
		if f.key != "" {
			var err error
			if n, err = unsigned(v.field(f.key), f.size); err != nil {
				return nil, err
			}
		}
		if c.foreign(f.of) {
			n = uint64(uint32(n) + c.offset)
		}
		b = appendUint(b, n, f.size)
	}
	b, err := c.tail(b, start, v, l)
	if err != nil {
		return nil, err
	}
	length := len(b) - start
	if given := v.field("len"); given != nil && given.Kind == Number {
		length = int(given.Num)
	}
	b[start+2], b[start+3] = byte(length>>8), byte(length)
	return b, nil
}

// generic appends an item that the script gives by number and bytes.
func (c *coder) generic(b []byte, v *Value, t *table) ([]byte, error) {
	start := len(b)
	code, err := unsigned(v.field(t.codeKey), 2)
	if err != nil {
		return nil, err
	}
	b = appendUint(b, code, 2)
	if t == chunkTable {
		b[start], b[start+1] = byte(code), 0
		if flags := v.field("flgs"); flags != nil && flags.Kind != Ellipsis {
			n, err := unsigned(flags, 1)
			if err != nil {
				return nil, err
			}
			b[start+1] = byte(n)
		}
	}
	b = append(b, 0, 0)
	if seq := v.field("req_sn"); seq != nil {
		n, err := unsigned(seq, 4)
		if err != nil {
			return nil, err
		}
		b = appendUint(b, n, 4)
	}
	b, err = c.filling(b, start, v, t.valKey, nil)
	if err != nil {
		return nil, err
	}
	length := len(b) - start
	if given := v.field("len"); given != nil && given.Kind == Number {
		length = int(given.Num)
	}
	b[start+2], b[start+3] = byte(length>>8), byte(length)
	return b, nil
}

// filling appends the bytes under key or, if the script leaves them out, known if
// its length is right and zeros if it is not.
func (c *coder) filling(b []byte, start int, v *Value, key string, known []byte) ([]byte, error) {
	val := v.field(key)
	if val != nil && val.Kind == List && !(len(val.Args) == 1 && val.Args[0].Kind == Ellipsis) {
		bytes, err := byteList(val)
		return append(b, bytes...), err
	}
	length := v.field("len")
	if length == nil || length.Kind != Number {
		return append(b, known...), nil
	}
	n := int(length.Num) - (len(b) - start)
	switch {
	case n < 0:
		return nil, badValue(length, "the length is less than what stands in front")
	case n == len(known):
		return append(b, known...), nil
	}
	return append(b, make([]byte, n)...), nil
}

// tail appends what follows the fields of an item.
func (c *coder) tail(b []byte, start int, v *Value, l *layout) ([]byte, error) {
	switch l.tail {
	case noTail:
		return b, nil
	case iDataTail, dataTail:
		return c.userData(b, start, v, l)
	case bytesTail:
		var known []byte
		switch l.name {
		case "COOKIE_ECHO":
			known = c.cookie
		case "HEARTBEAT_INFORMATION":
			known = c.heartbeat
		}
		return c.filling(b, start, v, l.key, known)
	case paramsTail, causesTail:
		items, _ := v.items()
		var err error
		for i, p := range items {
			before := len(b)
			if b, err = c.item(b, p, l.inner()); err != nil {
				return nil, err
			}
			if i == len(items)-1 { // the last one's padding is the chunk's (9260-3.2-a)
				n := int(readUint(b[before+2:], 2))
				if n >= 4 && before+n <= len(b) && len(b)-before-n < 4 {
					b = b[:before+n]
				}
			}
		}
		return b, nil
	case sackTail, nrSackTail:
		return c.sack(b, v, l)
	case responseTail:
		if v.field("sender_next_tsn") == nil {
			return b, nil
		}
		for i, f := range responseFields {
			n, err := unsigned(v.field(l.tailKeys()[i]), 4)
			if err != nil {
				return nil, err
			}
			if c.foreign(f.of) {
				n = uint64(uint32(n) + c.offset)
			}
			b = appendUint(b, n, 4)
		}
		return b, nil
	}
	val := v.field(l.key)
	if val == nil {
		val = &Value{Kind: List}
	}
	return c.tailValue(b, l, l.key, val)
}

var responseFields = []field{{"sender_next_tsn", 4, sender}, {"receiver_next_tsn", 4, receiver}}

// userData appends the rest of DATA or I-DATA.
func (c *coder) userData(b []byte, start int, v *Value, l *layout) ([]byte, error) {
	if l.tail == iDataTail {
		key := "ppid"
		if v.field(key) == nil {
			key = "fsn"
		}
		if v.field(key) == nil {
			return nil, badValue(v, "%s needs ppid or fsn", v.Text)
		}
		n, err := unsigned(v.field(key), 4)
		if err != nil {
			return nil, err
		}
		b = appendUint(b, n, 4)
	}
	n := int(v.field("len").Num) - (len(b) - start)
	for i := range n {
		b = append(b, byte(i))
	}
	return b, nil
}

// sack appends the counts and lists of SACK and NR-SACK.
func (c *coder) sack(b []byte, v *Value, l *layout) ([]byte, error) {
	var lists []byte
	for _, key := range l.tailKeys() {
		n := 0
		if val := v.field(key); val != nil {
			var err error
			n = len(val.Args)
			if lists, err = c.tailValue(lists, l, key, val); err != nil {
				return nil, err
			}
		}
		b = appendUint(b, uint64(n), 2)
	}
	if l.tail == nrSackTail {
		b = appendUint(b, 0, 2)
	}
	return append(b, lists...), nil
}

// tailValue appends the value under one key of a tail.
func (c *coder) tailValue(b []byte, l *layout, key string, v *Value) ([]byte, error) {
	switch l.tail {
	case textTail:
		return append(b, v.Text...), nil
	case paramTail:
		return c.unpadded(b, v, paramTable)
	case chunkTail:
		return c.swapped().unpadded(b, v, chunkTable)
	case addrTail:
		a, err := netip.ParseAddr(v.Text)
		if v.Kind != Address || err != nil || a.Is4() != (l.code == 5) {
			return nil, badValue(v, "%s needs an address of its family, not %v", l.name, v)
		}
		return append(b, a.AsSlice()...), nil
	case bytesTail:
		bytes, err := byteList(v)
		return append(b, bytes...), err
	}
	if v.Kind != List {
		return nil, badValue(v, "a list expected, not %v", v)
	}
	if l.tail == counted16 {
		b = appendUint(b, uint64(len(v.Args)), 4)
	}
	var err error
	for _, a := range v.Args {
		if b, err = c.element(b, l, key, a); err != nil {
			return nil, err
		}
	}
	return b, nil
}

// element appends one element of a list.
func (c *coder) element(b []byte, l *layout, key string, v *Value) ([]byte, error) {
	switch l.tail {
	case inParamsTail:
		return c.item(b, v, paramTable)
	case list8Tail:
		n, err := unsigned(v, 1)
		return append(b, byte(n)), err
	case list16Tail, counted16:
		n, err := unsigned(v, 2)
		return appendUint(b, n, 2), err
	case idsTail, midsTail:
		sizes := []int{2, 2}
		if l.tail == midsTail {
			sizes = []int{2, 2, 4}
		}
		if v.Kind != Struct || len(v.Args) != len(sizes) {
			return nil, badValue(v, "{...} with %d numbers expected, not %v", len(sizes), v)
		}
		for i, size := range sizes {
			n, err := unsigned(v.Args[i], size)
			if err != nil {
				return nil, err
			}
			b = appendUint(b, n, size)
		}
		return b, nil
	}
	if key != "dups" {
		if v.Kind != Span {
			return nil, badValue(v, "a block start:end expected, not %v", v)
		}
		for _, end := range v.Args {
			n, err := unsigned(end, 2)
			if err != nil {
				return nil, err
			}
			b = appendUint(b, n, 2)
		}
		return b, nil
	}
	if v.Kind == Span && v.Args[0].Num == v.Args[1].Num { // some write a TSN as a block
		v = v.Args[0]
	}
	n, err := unsigned(v, 4)
	if c.foreign(receiver) {
		n = uint64(uint32(n) + c.offset)
	}
	return appendUint(b, n, 4), err
}
