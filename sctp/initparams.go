package sctp

import (
	"time"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// appendInit appends our INIT or INIT ACK chunk. cookie and unrecognized, a list
// of encoded parameters, are for INIT ACK; with the latter the chunk may grow up
// to limit bytes.
func appendInit(b []byte, t wire.ChunkType, in wire.Init, cfg *Config, cookie []byte, unrecognized wire.Params, limit int) []byte {
	start := len(b)
	b = wire.BeginInit(b, t, in)
	if cookie != nil {
		b = wire.AppendParam(b, start, wire.ParamStateCookie, cookie)
	}
	if cfg.ZeroChecksum != NoZeroChecksum {
		b = wire.AppendParamUint32(b, start, wire.ParamZeroChecksum, uint32(cfg.ZeroChecksum))
	}
	if cfg.ECN {
		b = wire.AppendParam(b, start, wire.ParamECN, nil)
	}
	// Some peers look for one of these, some for the other (3758-3.1-a).
	b = wire.AppendParam(b, start, wire.ParamForwardTSN, nil)
	extensions := []byte{byte(wire.TypeReconfig), byte(wire.TypeForwardTSN)}
	if !cfg.NoInterleaving { // 8260-2.2.1-a
		extensions = append(extensions, byte(wire.TypeIData), byte(wire.TypeIForwardTSN))
	}
	if cfg.NRSACK {
		extensions = append(extensions, byte(wire.TypeNRSack))
	}
	b = wire.AppendParam(b, start, wire.ParamExtensions, extensions)
	for p, ok := unrecognized.Next(); ok; p, ok = unrecognized.Next() {
		if len(b)-start+len(p)+8 > limit {
			break
		}
		b = wire.AppendParam(b, start, wire.ParamUnrecognized, p)
	}
	return wire.EndChunk(b, start)
}

// initFacts is what the parameters of an INIT or INIT ACK say.
type initFacts struct {
	peer         peerInit
	cookie       []byte        // nil if there is none
	unrecognized []byte        // encoded parameters to report
	hostName     []byte        // a Host Name Address parameter, which is refused
	preserve     time.Duration // by which the cookie is to live longer
	malformed    bool

	iData, iForwardTSN bool // it supports these chunks
}

// readInit collects the facts of an INIT or INIT ACK chunk, and what follows from
// them for the association.
func readInit(in wire.Init, cfg *Config) initFacts {
	f := readInitParams(in, cfg)
	f.peer.interleaving = f.iData && !cfg.NoInterleaving // 8260-2.2.1-a
	if f.peer.interleaving {
		f.peer.forwardTSN = f.iForwardTSN // 8260-2.3.1-a
	}
	return f
}

// readInitParams reads the parameters of an INIT or INIT ACK chunk (RFC 9260, sections
// 3.2.1, 3.3.2 and 3.3.3).
func readInitParams(in wire.Init, cfg *Config) initFacts {
	f := initFacts{peer: peerInit{
		tag: in.Tag, window: in.ARwnd, outStreams: in.OutStreams, inStreams: in.InStreams, initialTSN: in.InitialTSN,
	}}
	it := in.Params
	for p, ok := it.Next(); ok; p, ok = it.Next() {
		switch p.Type() {
		case wire.ParamStateCookie:
			f.cookie = p.Value()
		case wire.ParamForwardTSN:
			f.peer.forwardTSN = true
		case wire.ParamExtensions:
			for _, t := range p.Value() {
				switch wire.ChunkType(t) {
				case wire.TypeReconfig:
					f.peer.reconfig = true
					continue
				case wire.TypeForwardTSN:
					f.peer.forwardTSN = true
					continue
				case wire.TypeNRSack:
					f.peer.nrSack = cfg.NRSACK
				case wire.TypeIData:
					f.iData = true
				case wire.TypeIForwardTSN:
					f.iForwardTSN = true
				}
				f.peer.pads = true
			}
		case wire.ParamZeroChecksum:
			f.peer.pads = true
			method, err := p.Uint32()
			f.peer.zeroChecksum = err == nil && cfg.ZeroChecksum != NoZeroChecksum && ErrorDetection(method) == cfg.ZeroChecksum
		case wire.ParamECN:
			f.peer.ecn = cfg.ECN
		case wire.ParamHostName:
			f.hostName = p
			return f
		case wire.ParamCookiePreservative: // 9260-3.3.2.1-b
			if ms, err := p.Uint32(); err == nil {
				f.preserve = time.Duration(ms) * time.Millisecond
			}
		case wire.ParamIPv4, wire.ParamIPv6, wire.ParamSupportedAddrTypes, wire.ParamUnrecognized,
			wire.ParamRandom, wire.ParamChunks, wire.ParamHMACAlgo,
			wire.ParamPad, wire.ParamAdaptation:
			// Known, and without effect on an association with one path.
		default:
			if p.Type().ReportUnknown() {
				f.unrecognized = wire.AppendParam(f.unrecognized, 0, p.Type(), p.Value())
			}
			if !p.Type().SkipUnknown() {
				return f
			}
		}
	}
	f.malformed = it.Err() != nil
	return f
}
