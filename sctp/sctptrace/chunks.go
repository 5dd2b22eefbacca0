package sctptrace

import "github.com/sluice-rtc/sluice/sctp/internal/wire"

// packet adds what is in a packet.
func (r *record) packet(b []byte) {
	r.number("length", int64(len(b)))
	p, err := wire.ParsePacket(b)
	if err != nil {
		return
	}
	r.open("header", '{')
	r.number("source_port", int64(p.SrcPort()))
	r.number("destination_port", int64(p.DstPort()))
	r.text("tag", tag(p.VTag()))
	switch {
	case p.Checksum() == 0:
		r.text("checksum", "zero")
	case p.ChecksumOK():
		r.text("checksum", "good")
	default:
		r.text("checksum", "bad")
	}
	r.close('}')
	r.open("chunks", '[')
	it := p.Chunks()
	for c, ok := it.Next(); ok; c, ok = it.Next() {
		r.comma()
		r.b = append(r.b, '{')
		r.text("type", c.Type().String())
		r.number("flags", int64(c.Flags()))
		r.number("length", int64(len(c)))
		r.chunk(c)
		r.close('}')
	}
	r.close(']')
}

// chunk adds what is in a chunk; nothing if it is malformed.
func (r *record) chunk(c wire.Chunk) {
	switch c.Type() {
	case wire.TypeData:
		if d, err := c.Data(); err == nil {
			r.data(d.TSN, d.Stream)
			r.number("ssn", int64(d.SSN))
			r.number("ppid", int64(d.PPID))
			r.number("size", int64(len(d.Payload)))
		}
	case wire.TypeIData:
		if d, err := c.IData(); err == nil {
			r.data(d.TSN, d.Stream)
			r.number("mid", int64(d.MID))
			if d.Flags&wire.FlagBegin != 0 {
				r.number("ppid", int64(d.PPID))
			} else {
				r.number("fsn", int64(d.FSN))
			}
			r.number("size", int64(len(d.Payload)))
		}
	case wire.TypeSack:
		if s, err := c.Sack(); err == nil {
			r.sack(&s)
		}
	case wire.TypeNRSack:
		if s, err := c.NRSack(); err == nil {
			r.sack(&s)
		}
	case wire.TypeInit:
		if in, err := c.Init(); err == nil {
			r.init(&in)
		}
	case wire.TypeInitAck:
		if in, err := c.InitAck(); err == nil {
			r.init(&in)
		}
	case wire.TypeShutdown:
		if t, err := c.ShutdownTSN(); err == nil {
			r.number("cum_tsn", int64(t))
		}
	case wire.TypeForwardTSN:
		r.forward(c)
	case wire.TypeIForwardTSN:
		r.iForward(c)
	case wire.TypeError, wire.TypeAbort:
		r.causes(c)
	case wire.TypeReconfig:
		r.open("parameters", '[')
		it := wire.ParseParams(c.Value())
		for p, ok := it.Next(); ok; p, ok = it.Next() {
			r.element(int64(p.Type()))
		}
		r.close(']')
	}
}

func (r *record) data(t wire.TSN, stream uint16) {
	r.number("tsn", int64(t))
	r.number("stream", int64(stream))
}

func (r *record) sack(s *wire.Sack) {
	r.number("cum_tsn", int64(s.CumTSN))
	r.number("a_rwnd", int64(s.ARwnd))
	r.open("gaps", '[')
	for i := range s.Gaps() {
		r.pair(int64(s.Gap(i).Start), int64(s.Gap(i).End))
	}
	r.close(']')
	r.open("duplicates", '[')
	for i := range s.Dups() {
		r.element(int64(s.Dup(i)))
	}
	r.close(']')
}

func (r *record) init(in *wire.Init) {
	r.text("tag", tag(in.Tag))
	r.number("a_rwnd", int64(in.ARwnd))
	r.number("out_streams", int64(in.OutStreams))
	r.number("in_streams", int64(in.InStreams))
	r.number("initial_tsn", int64(in.InitialTSN))
}

func (r *record) forward(c wire.Chunk) {
	f, err := c.ForwardTSN()
	if err != nil {
		return
	}
	r.number("cum_tsn", int64(f.NewCumTSN))
	r.open("streams", '[')
	for i := range f.Len() {
		r.pair(int64(f.At(i).Stream), int64(f.At(i).SSN))
	}
	r.close(']')
}

func (r *record) iForward(c wire.Chunk) {
	f, err := c.IForwardTSN()
	if err != nil {
		return
	}
	r.number("cum_tsn", int64(f.NewCumTSN))
	r.open("streams", '[')
	for i := range f.Len() {
		r.pair(int64(f.At(i).Stream), int64(f.At(i).MID))
	}
	r.close(']')
}

func (r *record) causes(c wire.Chunk) {
	it, err := c.Causes()
	if err != nil {
		return
	}
	r.open("causes", '[')
	for cause, ok := it.Next(); ok; cause, ok = it.Next() {
		r.element(int64(cause.Code()))
	}
	r.close(']')
}

// pair adds an array of two numbers to an array.
func (r *record) pair(a, b int64) {
	r.comma()
	r.b = append(r.b, '[')
	r.element(a)
	r.element(b)
	r.b = append(r.b, ']')
}
