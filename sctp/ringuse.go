package sctp

// ringUse says when a ring that has become empty is to be given up: when it is large, and
// was not needed again and again. What fills a good part of it warms it, what does not
// cools it, so that steady traffic in bulk keeps its memory and an idle association has
// none of that of its busiest moment.
type ringUse struct {
	most int32 // elements at most since it was empty
	heat int32
}

const (
	idleRing = 256 // elements that may be kept for nothing
	warming  = 8
	keeping  = 2 * warming // from then on a ring stays
	hottest  = 8 * warming
)

// holds takes note that there are n elements.
func (u *ringUse) holds(n int) { u.most = max(u.most, int32(n)) }

// emptied reports whether a ring of this size, which is empty now, is to be given up.
func (u *ringUse) emptied(size int) bool {
	most := u.most
	u.most = 0
	return size > idleRing && u.cold(int(most), size)
}

// cold takes note of how many of its elements a ring that may be given up has held.
func (u *ringUse) cold(most, size int) bool {
	switch {
	case 4*most > size:
		u.heat = min(u.heat+warming, hottest)
	default:
		u.heat = max(u.heat-1, 0)
	}
	return u.heat < keeping
}
