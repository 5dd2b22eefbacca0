package conformance

import "slices"

// check says whether an item is one that the language has. What comes in must be
// complete, but for what the runner knows: cookies, heartbeats and filling.
func check(v *Value, t *table, inbound bool) error {
	if v.Text == t.generic || t == paramTable && v.Text == reconfigGeneric {
		return checkGeneric(v, t, inbound)
	}
	l := t.byName(v.Text)
	if l == nil {
		return badValue(v, "unknown %s %s", t.kind, v.Text)
	}
	keys, inner := l.keys(), l.inner()
	for _, a := range v.Args {
		switch {
		case a.Kind == Ellipsis:
			if inbound && l.tail != bytesTail && inner == nil { // of parameters: no more of them
				return badValue(a, "what comes in must be complete")
			}
		case a.Kind == Item && inner != nil:
			if err := check(a, inner, inbound); err != nil {
				return err
			}
		case a.Kind != Pair || len(a.Args) != 1:
			return badValue(a, "unexpected %v in %s", a, v.Text)
		case !slices.Contains(keys, a.Text):
			return badValue(a, "%s has no %s", v.Text, a.Text)
		default:
			if err := checkField(l, a, inbound); err != nil {
				return err
			}
		}
	}
	if !inbound {
		return nil
	}
	for _, f := range l.fields {
		if f.key != "" && v.field(f.key) == nil {
			return badValue(v, "%s needs %s", v.Text, f.key)
		}
	}
	if length := v.field("len"); (l.tail == dataTail || l.tail == iDataTail) && (length == nil || length.Kind != Number) {
		return badValue(v, "%s needs a length", v.Text)
	}
	return nil
}

// checkField checks one key=value of an item.
func checkField(l *layout, a *Value, inbound bool) error {
	v := a.Args[0]
	if v.Kind == Ellipsis || v.Kind == List && len(v.Args) == 1 && v.Args[0].Kind == Ellipsis {
		if inbound && a.Text != "len" && a.Text != "val" && a.Text != "flgs" {
			return badValue(v, "what comes in must be complete: %s", a.Text)
		}
		return nil
	}
	switch a.Text {
	case "flgs":
		_, err := l.flagBits(v)
		return err
	case "len":
		n, err := unsigned(v, 2)
		if err == nil && int(n) < l.minLen() {
			err = badValue(v, "%s is at least %d bytes long", l.name, l.minLen())
		}
		return err
	}
	for _, f := range l.fields {
		if f.key == a.Text {
			_, err := unsigned(v, f.size)
			return err
		}
	}
	return checkTail(l, a.Text, v, inbound)
}

// minLen is the least length of the header and the fields.
func (l *layout) minLen() int {
	n := 4
	for _, f := range l.fields {
		n += f.size
	}
	if l.tail == iDataTail {
		n += 4
	}
	return n
}

// checkTail checks what stands under the key of a tail.
func checkTail(l *layout, key string, v *Value, inbound bool) error {
	c := coder{}
	switch l.tail {
	case textTail:
		if v.Kind != Text {
			return badValue(v, "a string expected, not %v", v)
		}
	case paramTail, chunkTail:
		if v.Kind != Item {
			return badValue(v, "%s needs an item, not %v", l.name, v)
		}
		if l.tail == chunkTail {
			return check(v, chunkTable, inbound)
		}
		return check(v, paramTable, inbound)
	case inParamsTail:
		if v.Kind != List {
			return badValue(v, "a list of parameters expected, not %v", v)
		}
		for _, p := range v.Args {
			if p.Kind != Item {
				return badValue(p, "a parameter expected, not %v", p)
			}
			if err := check(p, paramTable, inbound); err != nil {
				return err
			}
		}
	case iDataTail, responseTail:
		_, err := unsigned(v, 4)
		return err
	default: // the encoder is the check
		_, err := c.tailValue(nil, l, key, v)
		return err
	}
	return nil
}

// checkGeneric checks CHUNK, PARAMETER, CAUSE and RECONFIG_REQUEST_GENERIC. Their
// length may contradict their value: scripts may send what is broken.
func checkGeneric(v *Value, t *table, inbound bool) error {
	keys := []string{t.codeKey, "len", t.valKey}
	sizes := []int{2, 2, 0}
	if t == chunkTable {
		keys, sizes = append(keys, "flgs"), append(sizes, 1)
		sizes[0] = 1
	}
	if v.Text == reconfigGeneric {
		keys, sizes = append(keys, "req_sn"), append(sizes, 4)
	}
	for _, a := range v.Args {
		i := slices.Index(keys, a.Text)
		if a.Kind != Pair || len(a.Args) != 1 || i < 0 {
			return badValue(a, "%s has no %v", v.Text, a)
		}
		val := a.Args[0]
		if val.Kind == Ellipsis || val.Kind == List && len(val.Args) == 1 && val.Args[0].Kind == Ellipsis {
			if inbound && a.Text != t.valKey && a.Text != "len" {
				return badValue(val, "what comes in must be complete: %s", a.Text)
			}
			continue
		}
		var err error
		if sizes[i] == 0 {
			_, err = byteList(val)
		} else {
			_, err = unsigned(val, sizes[i])
		}
		if err != nil {
			return err
		}
	}
	if inbound && v.field(t.codeKey) == nil {
		return badValue(v, "%s needs %s", v.Text, t.codeKey)
	}
	return nil
}

// flagBits evaluates flags: a number, or the letters of the bits that are set.
func (l *layout) flagBits(v *Value) (byte, error) {
	if v.Kind != Word || l.flags == "" {
		n, err := unsigned(v, 1)
		return byte(n), err
	}
	var bits byte
	for _, c := range []byte(v.Text) {
		i := slices.Index([]byte(l.flags), c)
		if i < 0 || bits>>i&1 != 0 {
			return 0, badValue(v, "the flags of %s are letters out of %s, each once", l.name, l.flags)
		}
		bits |= 1 << i
	}
	return bits, nil
}

// flagText is the opposite of flagBits.
func (l *layout) flagText(bits byte) string {
	if bits == 0 || int(bits)>>len(l.flags) != 0 {
		return ""
	}
	text := ""
	for i := len(l.flags) - 1; i >= 0; i-- {
		if bits>>i&1 != 0 {
			text += l.flags[i : i+1]
		}
	}
	return text
}
