package conformance

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

var errShort = errors.New("it is shorter than it says")

// parse reads the chunks of a packet, the parameters of a chunk, or the causes.
func (c *coder) parse(b []byte, t *table) ([]*Value, error) {
	var items []*Value
	for len(b) > 0 {
		if len(b) < 4 {
			return nil, fmt.Errorf("%d stray bytes where a %s should be", len(b), t.kind)
		}
		n := int(readUint(b[2:], 2))
		if n < 4 || n > len(b) {
			return nil, fmt.Errorf("a %s of length %d in %d bytes", t.kind, n, len(b))
		}
		v, err := c.parseItem(b[:n], t)
		if err != nil {
			return nil, fmt.Errorf("%s %#x: %w", t.kind, b[:n], err)
		}
		items = append(items, v)
		padded := (n + 3) &^ 3
		for _, pad := range b[n:min(padded, len(b))] {
			if pad != 0 { // 9260-3.2-b
				return nil, fmt.Errorf("%s: padding that is not zero", v.Text)
			}
		}
		b = b[min(padded, len(b)):]
	}
	return items, nil
}

// parseItem reads one item; b is all of it without padding.
func (c *coder) parseItem(b []byte, t *table) (*Value, error) {
	code := int(readUint(b, 2))
	if t == chunkTable {
		code = int(b[0])
	}
	l := t.byCode(code)
	v := &Value{Kind: Item, raw: b}
	if l == nil || len(b) < l.minLen() || l.tail == addrTail && len(b) != addrLen[l.name] {
		genericForm(v, b, t)
		return v, nil
	}
	v.Text = l.name
	if t == chunkTable {
		v.Args = append(v.Args, pair("flgs", num(int64(b[1]), l.flagText(b[1]))))
	}
	switch l.tail {
	case dataTail, iDataTail, bytesTail:
		v.Args = append(v.Args, pair("len", num(int64(len(b)), "")))
	}
	rest := b[4:]
	for _, f := range l.fields {
		n := uint32(readUint(rest, f.size))
		rest = rest[f.size:]
		switch {
		case c.foreign(f.of):
			n -= c.offset
		case f.of == tagOwner && c.tag != nil:
			n = c.tag(n)
		}
		if f.key != "" {
			v.Args = append(v.Args, pair(f.key, num(int64(n), "")))
		}
	}
	return v, c.parseTail(v, l, rest)
}

// addrLen is how long a parameter with an address is.
var addrLen = map[string]int{"IPV4_ADDRESS": 8, "IPV6_ADDRESS": 20}

// genericForm makes v the form of an item that is given by number and bytes.
func genericForm(v *Value, b []byte, t *table) {
	v.Text = t.generic
	if t == chunkTable {
		v.Args = append(v.Args, pair(t.codeKey, num(int64(b[0]), fmt.Sprintf("%#02x", b[0]))), pair("flgs", num(int64(b[1]), "")))
	} else {
		v.Args = append(v.Args, pair(t.codeKey, num(int64(readUint(b, 2)), fmt.Sprintf("%#04x", b[:2]))))
	}
	v.Args = append(v.Args, pair("len", num(int64(readUint(b[2:], 2)), "")), pair(t.valKey, bytesValue(b[4:])))
}

func bytesValue(b []byte) *Value {
	v := &Value{Kind: List}
	for _, c := range b {
		v.Args = append(v.Args, num(int64(c), fmt.Sprintf("%#02x", c)))
	}
	return v
}

// parseTail reads what follows the fields.
func (c *coder) parseTail(v *Value, l *layout, b []byte) error {
	add := func(key string, val *Value) { v.Args = append(v.Args, pair(key, val)) }
	switch l.tail {
	case noTail, dataTail:
	case iDataTail:
		key := "fsn"
		if v.raw[1]&2 != 0 {
			key = "ppid"
		}
		add(key, num(int64(readUint(b, 4)), ""))
	case bytesTail:
		add(l.key, bytesValue(b))
	case textTail:
		add(l.key, &Value{Kind: Text, Text: strings.TrimRight(string(b), "\x00")})
	case paramsTail, causesTail:
		items, err := c.parse(b, l.inner())
		v.Args = append(v.Args, items...)
		return err
	case sackTail, nrSackTail:
		return c.parseSack(v, l, b)
	case responseTail:
		for _, f := range responseFields {
			if len(b) < 4 {
				break
			}
			n := uint32(readUint(b, 4))
			if c.foreign(f.of) {
				n -= c.offset
			}
			add(f.key, num(int64(n), ""))
			b = b[4:]
		}
	case addrTail:
		a, _ := netip.AddrFromSlice(b)
		add(l.key, &Value{Kind: Address, Text: a.String()})
	case paramTail:
		p, err := c.parse(b, paramTable)
		if err != nil || len(p) != 1 {
			return errors.Join(err, errShort)
		}
		add(l.key, p[0])
	case inParamsTail:
		items, err := c.parse(b, paramTable)
		add(l.key, &Value{Kind: List, Args: items})
		return err
	case chunkTail:
		if len(b) < 4 {
			return errShort
		}
		chunk, err := c.swapped().parseItem(b, chunkTable)
		add(l.key, chunk)
		return err
	default:
		return c.parseList(v, l, b)
	}
	return nil
}

// parseList reads a tail that is a list of numbers.
func (c *coder) parseList(v *Value, l *layout, b []byte) error {
	sizes := []int{2}
	switch l.tail {
	case list8Tail:
		sizes = []int{1}
	case idsTail:
		sizes = []int{2, 2}
	case midsTail:
		sizes = []int{2, 2, 4}
	case counted16:
		if len(b) < 4 || int(readUint(b, 4))*2 != len(b)-4 {
			return errShort
		}
		b = b[4:]
	}
	list := &Value{Kind: List}
	for len(b) > 0 {
		var group []*Value
		for _, size := range sizes {
			if len(b) < size {
				return errShort
			}
			group = append(group, num(int64(readUint(b, size)), ""))
			b = b[size:]
		}
		if len(group) > 1 {
			list.Args = append(list.Args, &Value{Kind: Struct, Args: group})
		} else {
			list.Args = append(list.Args, group[0])
		}
	}
	if len(list.Args) > 0 || l.key != "sids" { // without sids: all streams
		v.Args = append(v.Args, pair(l.key, list))
	}
	return nil
}

// parseSack reads the counts and lists of SACK and NR-SACK.
func (c *coder) parseSack(v *Value, l *layout, b []byte) error {
	keys := l.tailKeys()
	var counts []int
	header := 2 * len(keys)
	if l.tail == nrSackTail {
		header += 2
	}
	if len(b) < header {
		return errShort
	}
	for i := range keys {
		counts = append(counts, int(readUint(b[2*i:], 2)))
	}
	b = b[header:]
	for i, key := range keys {
		list := &Value{Kind: List}
		for range counts[i] {
			if len(b) < 4 {
				return errShort
			}
			if key == "dups" {
				n := uint32(readUint(b, 4))
				if c.foreign(receiver) {
					n -= c.offset
				}
				list.Args = append(list.Args, num(int64(n), ""))
			} else {
				list.Args = append(list.Args, &Value{Kind: Span, Args: []*Value{
					num(int64(readUint(b, 2)), ""), num(int64(readUint(b[2:], 2)), "")}})
			}
			b = b[4:]
		}
		v.Args = append(v.Args, pair(key, list))
	}
	if len(b) > 0 {
		return fmt.Errorf("%d bytes behind its lists", len(b))
	}
	return nil
}
