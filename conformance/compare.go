package conformance

import (
	"fmt"
	"slices"
	"strings"
)

// compareChunks says in what the chunks of a packet differ from those that the
// script wants. With lenient set, choices of the implementation are not compared:
// see Options.
func compareChunks(want, got []*Value, lenient bool) error {
	if lenient {
		got = arrange(want, got)
	}
	for i, w := range want {
		if i >= len(got) {
			return fmt.Errorf("%s is missing", w.Text)
		}
		if err := compareItem(w, got[i], chunkTable, lenient); err != nil {
			return err
		}
	}
	if len(got) > len(want) {
		return fmt.Errorf("%s was not expected", got[len(want)].Text)
	}
	return nil
}

// arrange returns the chunks that were sent in the order that the script wants. A
// SACK on top of other chunks, which may always be sent, is left out if the script
// wants none.
func arrange(want, got []*Value) []*Value {
	rest := slices.Clone(got)
	out := make([]*Value, 0, len(got))
	for _, w := range want {
		i := slices.IndexFunc(rest, func(g *Value) bool { return g.Text == w.Text })
		if i < 0 {
			return got
		}
		out = append(out, rest[i])
		rest = slices.Delete(rest, i, i+1)
	}
	if len(rest) == 1 && len(out) > 0 && (rest[0].Text == "SACK" || rest[0].Text == "NR_SACK") {
		return out
	}
	return append(out, rest...)
}

// flagsFor returns the flags of a DATA chunk without the I bit, which the sender may
// set as it likes (RFC 7053, section 4), if the script does not want it.
func flagsFor(want, got *Value, l *layout) *Value {
	bits, err := l.flagBits(want)
	if err != nil || bits&8 != 0 {
		return got
	}
	return num(got.Num&^8, l.flagText(byte(got.Num)&^8))
}

// mergeGaps returns a NR-SACK with all gap blocks in one list. Which of them are never
// dropped is the receiver's to say.
func mergeGaps(v *Value) *Value {
	spans := &Value{Kind: List}
	out := &Value{Kind: Item, Text: v.Text, raw: v.raw}
	for _, a := range v.Args {
		if a.Kind == Pair && strings.HasSuffix(a.Text, "gaps") {
			for _, s := range a.Args[0].Args {
				if s.Kind != Span {
					return v
				}
				spans.Args = append(spans.Args, &Value{Kind: Span, Args: slices.Clone(s.Args)})
			}
			continue
		}
		out.Args = append(out.Args, a)
	}
	slices.SortFunc(spans.Args, func(x, y *Value) int { return int(x.Args[0].Num - y.Args[0].Num) })
	joined := spans.Args[:0]
	for _, s := range spans.Args {
		if n := len(joined); n > 0 && s.Args[0].Num <= joined[n-1].Args[1].Num+1 {
			if s.Args[1].Num > joined[n-1].Args[1].Num {
				joined[n-1].Args[1] = s.Args[1]
			}
			continue
		}
		joined = append(joined, s)
	}
	spans.Args = joined
	out.Args = append(out.Args, pair("gaps", spans))
	return out
}

// compareItem compares a chunk, a parameter or a cause.
func compareItem(want, got *Value, t *table, lenient bool) error {
	if want.Text == t.generic || want.Text == reconfigGeneric {
		generic := &Value{Kind: Item}
		genericForm(generic, got.raw, t)
		for _, a := range want.Args {
			actual := generic.field(a.Text)
			if actual == nil {
				return fmt.Errorf("%s: %s cannot be compared", want.Text, a.Text)
			}
			if err := compareValue(a.Args[0], actual, nil); err != nil {
				return fmt.Errorf("%s.%s: %w", want.Text, a.Text, err)
			}
		}
		return nil
	}
	if want.Text != got.Text {
		return fmt.Errorf("%s expected, not %s", want.Text, got.Text)
	}
	l := t.byName(want.Text)
	if l == nil {
		return nil
	}
	if lenient && want.Text == "NR_SACK" {
		want, got = mergeGaps(want), mergeGaps(got)
	}
	items, open := want.items()
	gotItems, _ := got.items()
	for _, a := range want.Args {
		if a.Kind != Pair {
			continue
		}
		actual := got.field(a.Text)
		switch {
		case actual == nil && a.Text == "len":
			actual = num(int64(len(got.raw)), "")
		case actual == nil && isEmpty(a.Args[0]):
			continue
		case actual == nil:
			return fmt.Errorf("%s has no %s", got.Text, a.Text)
		case lenient && a.Text == "flgs" && l.flags == dataFlags:
			actual = flagsFor(a.Args[0], actual, l)
		}
		if err := compareValue(a.Args[0], actual, l); err != nil {
			return fmt.Errorf("%s.%s: %w", want.Text, a.Text, err)
		}
	}
	if open && len(items) == 0 && l.inner() == nil {
		return nil
	}
	for _, a := range got.Args { // what the script does not name must not be there
		if a.Kind == Pair && a.Text != "flgs" && a.Text != "len" && want.field(a.Text) == nil && !isEmpty(a.Args[0]) {
			return fmt.Errorf("%s has %v, which was not expected", got.Text, a)
		}
	}
	switch {
	case lenient && (want.Text == "INIT" || want.Text == "INIT_ACK"):
		return compareSome(items, gotItems)
	case want.Text == "ABORT" && len(items) == 0 && len(gotItems) == 1 && (lenient || gotItems[0].Text == "USER_INITIATED_ABORT"):
		return nil // that the user wanted it need not be said (RFC 9260, section 3.3.10.12)
	}
	return compareItems(want.Text, items, gotItems, open, l)
}

// compareItems compares parameters or causes in their order.
func compareItems(name string, want, got []*Value, open bool, l *layout) error {
	for i, w := range want {
		if i >= len(got) {
			return fmt.Errorf("%s: %s is missing", name, w.Text)
		}
		if err := compareItem(w, got[i], l.inner(), false); err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
	}
	if len(got) > len(want) && !open {
		return fmt.Errorf("%s: %s was not expected", name, got[len(want)].Text)
	}
	return nil
}

// compareSome compares of the parameters of INIT and INIT ACK those that are an
// answer to the peer: cookie and unrecognized parameters.
func compareSome(want, got []*Value) error {
	for _, w := range want {
		if w.Text != "STATE_COOKIE" && w.Text != "UNRECOGNIZED_PARAMETER" {
			continue
		}
		err := fmt.Errorf("%s is missing", w.Text)
		for _, g := range got {
			if g.Text != w.Text {
				continue
			}
			if err = compareItem(w, g, paramTable, false); err == nil {
				break
			}
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func isEmpty(v *Value) bool { return v.Kind == List && len(v.Args) == 0 || v.Kind == Ellipsis }

// compareValue compares what a field should be with what it is; l, if not nil, is
// the item whose flags these may be.
func compareValue(want, got *Value, l *layout) error {
	differ := func() error { return fmt.Errorf("%v expected, not %v", want, got) }
	switch {
	case want.Kind == Ellipsis:
		return nil
	case want.Kind == Item:
		t := chunkTable
		if l != nil && l.tail != chunkTail {
			t = paramTable
		}
		return compareItem(want, got, t, false)
	case want.Kind == List, want.Kind == Struct, want.Kind == Span:
		if want.Kind == List && len(want.Args) == 1 && want.Args[0].Kind == Ellipsis {
			return nil
		}
		if got.Kind != want.Kind || len(got.Args) != len(want.Args) {
			return differ()
		}
		for i := range want.Args {
			if err := compareValue(want.Args[i], got.Args[i], l); err != nil {
				return err
			}
		}
		return nil
	case want.Kind == Text:
		if got.Kind != Text || got.Text != want.Text {
			return differ()
		}
		return nil
	case want.Kind == Address:
		if got.Kind != Address || !strings.EqualFold(got.Text, want.Text) {
			return differ()
		}
		return nil
	}
	var n int64
	var err error
	if want.Kind == Word && l != nil && l.flags != "" {
		var bits byte
		bits, err = l.flagBits(want)
		n = int64(bits)
	} else {
		n, err = integer(want)
	}
	switch {
	case err != nil:
		return err
	case got.Kind != Number || got.Num != n:
		return differ()
	}
	return nil
}
