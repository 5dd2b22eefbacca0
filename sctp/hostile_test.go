package sctp

import (
	"testing"
	"time"
	"unsafe"

	"github.com/sluice-rtc/sluice/sctp/internal/wire"
)

// A hostile peer knows the tags and sends what costs most. Each of these packets is
// of the size that a path takes; none may cost the square of what was received or is
// outstanding.

// costs hands packets of these chunks to the association, and returns the least time
// that one took.
func (tc *testConn) costs(packets ...[]written) time.Duration {
	tc.t.Helper()
	least := time.Hour
	for _, chunks := range packets {
		b := wire.AppendHeader(nil, tc.a.id.remotePort, tc.a.id.localPort, tc.localTag)
		for _, c := range chunks {
			b = c.append(tc, b)
		}
		wire.SetChecksum(b)
		if len(b) > 1500 {
			tc.t.Fatalf("packet of %d bytes", len(b))
		}
		start := time.Now()
		tc.a.HandlePacket(tc.now, 0, b)
		least = min(least, time.Since(start))
		tc.drop()
	}
	return least
}

// packets makes n packets of m chunks each.
func packets(n, m int, f func(i int) written) (all [][]written) {
	for i := range n {
		var chunks []written
		for j := range m {
			chunks = append(chunks, f(i*m+j))
		}
		all = append(all, chunks)
	}
	return all
}

// blocks are n gap blocks of one TSN each, every other TSN from first on.
func blocks(first, n int) (gaps []wire.GapBlock) {
	for i := range n {
		gaps = append(gaps, wire.GapBlock{Start: uint16(first + 2*i), End: uint16(first + 2*i)})
	}
	return gaps
}

// unfinished returns an association that has as many messages as it keeps, each
// begun and none ended, and lacks the chunk before them.
func unfinished(t testing.TB) *testConn {
	tc := newConnected(t, Config{})
	tc.costs(packets(maxRuns/60, 60, func(i int) written {
		return data{tsn: 1 + i, sid: uint16(i % 2), ssn: wire.SSN(i / 2), flags: wire.FlagBegin, payload: "x"}
	})...)
	return tc
}

// begunBeyondGap returns an association that has the beginning of a message on each of n streams,
// with TSNs up to 30,000, the last first, and lacks the chunks before them.
func begunBeyondGap(t testing.TB, n int) *testConn {
	tc := newInterleaved(t, Config{})
	tc.costs(packets(n/50, 50, func(i int) written {
		return iData{tsn: 30_000 - i, sid: uint16(i), flags: wire.FlagBegin, payload: "x"}
	})...)
	return tc
}

// BenchmarkHostilePackets reports what one packet costs in the worst of states: a
// millisecond would be much.
func BenchmarkHostilePackets(b *testing.B) {
	const window = 1 << 28
	tests := []struct {
		desc    string
		prepare func(t testing.TB) *testConn
		attack  func(tc *testConn) [][]written
	}{
		{
			"fragments that belong to nothing, each before the last",
			func(t testing.TB) *testConn {
				tc := newConnected(t, Config{})
				tc.costs(packets(500, 60, func(i int) written {
					return data{tsn: 60_000 - 2*i, flags: wire.FlagUnordered, payload: "x"}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				return packets(5, 60, func(i int) written {
					return data{tsn: 30_000 - 2*i, flags: wire.FlagUnordered, payload: "x"}
				})
			},
		},
		{
			"a FORWARD-TSN for each TSN while there are such fragments",
			func(t testing.TB) *testConn {
				tc := newConnected(t, Config{})
				tc.costs(packets(500, 60, func(i int) written {
					return data{tsn: 10 + 2*i, flags: wire.FlagUnordered, payload: "x"}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				return packets(5, 140, func(i int) written { return forwardTSN{cum: i} })
			},
		},
		{
			"a FORWARD-TSN to where all messages behind it were begun and none ended",
			unfinished,
			func(tc *testConn) [][]written {
				return packets(1, 1, func(int) written { return forwardTSN{cum: 0} })
			},
		},
		{
			"the chunk before such messages",
			unfinished,
			func(tc *testConn) [][]written {
				return packets(1, 1, func(int) written { return data{tsn: 0, flags: whole, payload: "x"} })
			},
		},
		{
			"data of a stream that waits with others for its reset",
			func(t testing.TB) *testConn {
				tc := newConnected(t, Config{})
				for i := range maxDeferred {
					var names []uint16
					for j := range 250 {
						names = append(names, uint16(250*i+j))
					}
					tc.write(tc.outReset(i, 1000, names...))
				}
				return tc
			},
			func(tc *testConn) [][]written {
				return packets(20, 60, func(i int) written { return data{tsn: 2000 + i, sid: 3999, flags: whole, payload: "x"} })
			},
		},
		{
			"fragments of other streams in turn, without a gap",
			func(t testing.TB) *testConn {
				tc := newConnected(t, Config{})
				tc.costs(packets(500, 60, func(i int) written {
					return data{tsn: i, sid: uint16(i % 2), flags: wire.FlagUnordered, payload: "x"}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				cum := tc.a.tsns.cum.Since(tc.peerTSN)
				return packets(5, 60, func(i int) written {
					return data{tsn: cum + 1 + i, sid: uint16(i % 2), flags: wire.FlagUnordered, payload: "x"}
				})
			},
		},
		{
			"fragments in I-DATA, each before the last",
			func(t testing.TB) *testConn {
				tc := newInterleaved(t, Config{})
				tc.costs(packets(500, 50, func(i int) written {
					return iData{tsn: i, sid: 1, mid: 5, fsn: wire.FSN(60_000 - 2*i), payload: "x"}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				cum := tc.a.tsns.cum.Since(tc.peerTSN)
				return packets(5, 50, func(i int) written {
					return iData{tsn: cum + 1 + i, sid: 1, mid: 5, fsn: wire.FSN(8000 - 2*i), payload: "x"}
				})
			},
		},
		{
			"an I-FORWARD-TSN that lists all streams, with messages begun on each",
			func(t testing.TB) *testConn {
				tc := newInterleaved(t, Config{})
				tc.costs(packets(500, 50, func(i int) written {
					return iData{tsn: i, sid: uint16(i), flags: wire.FlagBegin, payload: "x"}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				cum := tc.a.tsns.cum.Since(tc.peerTSN)
				return packets(100, 1, func(i int) written {
					f := iForwardTSN{cum: cum + 1 + i}
					for j := range uint16(140) {
						f.messages = append(f.messages, wire.SkippedMessage{Stream: uint16(i)*140 + j, MID: 0})
					}
					return f
				})
			},
		},
		{
			"messages begun on each stream beyond a gap, each before the last",
			func(t testing.TB) *testConn { return begunBeyondGap(t, 29_000) },
			func(tc *testConn) [][]written {
				return packets(5, 50, func(i int) written {
					return iData{tsn: 1000 - i, sid: uint16(30_000 + i), flags: wire.FlagBegin, payload: "x"}
				})
			},
		},
		{
			"the chunk before such messages, for which 600 packets were needed",
			func(t testing.TB) *testConn { return begunBeyondGap(t, 30_000) },
			func(tc *testConn) [][]written {
				return packets(1, 1, func(int) written { return iData{tsn: 0, sid: 30_001, flags: whole, payload: "x"} })
			},
		},
		{
			"messages that wait, each before the last",
			func(t testing.TB) *testConn {
				tc := newConnected(t, Config{})
				tc.costs(packets(500, 60, func(i int) written {
					return data{tsn: i, ssn: wire.SSN(32_000 - i), flags: whole, payload: "x"}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				return packets(5, 60, func(i int) written {
					return data{tsn: 30_000 + i, ssn: wire.SSN(2000 - i), flags: whole, payload: "x"}
				})
			},
		},
		{
			"messages that wait, each before one that came first",
			func(t testing.TB) *testConn {
				tc := newConnected(t, Config{})
				tc.write(data{tsn: 0, ssn: 32_000, flags: whole, payload: "x"})
				tc.costs(packets(500, 60, func(i int) written {
					return data{tsn: 1 + i, ssn: wire.SSN(1 + i), flags: whole, payload: "x"}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				return packets(5, 60, func(i int) written {
					return data{tsn: 30_001 + i, ssn: wire.SSN(30_001 + i), flags: whole, payload: "x"}
				})
			},
		},
		{
			"resets of all streams",
			func(t testing.TB) *testConn {
				tc := newConnected(t, Config{})
				for i := range 65535 {
					tc.a.in.stream(uint16(i))
				}
				return tc
			},
			func(tc *testConn) [][]written {
				return packets(5, 50, func(i int) written { return tc.outReset(i/50, -1) })
			},
		},
		{
			"gap blocks for every other chunk, the highest first",
			func(t testing.TB) *testConn { return tinyChunks(t, 65_000, true) },
			func(tc *testConn) [][]written {
				return packets(100, 1, func(i int) written {
					return sack{cum: -1, window: window, gaps: blocks(64_000-2*280*i, 280)}
				})
			},
		},
		{
			"all after every other chunk",
			func(t testing.TB) *testConn {
				tc := tinyChunks(t, 65_000, true)
				tc.costs(packets(100, 1, func(i int) written {
					return sack{cum: -1, window: window, gaps: blocks(64_000-2*280*i, 280)}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				return packets(1, 1, func(int) written {
					return sack{cum: -1, window: window, gaps: []wire.GapBlock{{Start: 2, End: 64_000}}}
				})
			},
		},
		{
			"none after every other chunk",
			func(t testing.TB) *testConn {
				tc := tinyChunks(t, 65_000, true)
				tc.costs(packets(100, 1, func(i int) written {
					return sack{cum: -1, window: window, gaps: blocks(64_000-2*280*i, 280)}
				})...)
				return tc
			},
			func(tc *testConn) [][]written {
				return packets(1, 1, func(int) written { return sack{cum: -1, window: window} })
			},
		},
		{
			"all and none in turn",
			func(t testing.TB) *testConn { return tinyChunks(t, 30_000, true) },
			func(tc *testConn) [][]written {
				return packets(6, 58, func(i int) written {
					if (i/58+i)%2 == 0 {
						return sack{cum: -1, window: window, gaps: []wire.GapBlock{{Start: 2, End: 29_000}}}
					}
					return sack{cum: -1, window: window, gaps: []wire.GapBlock{{Start: 29_000, End: 29_000}}}
				})
			},
		},
		{
			"many SACKs in a packet",
			func(t testing.TB) *testConn { return tinyChunks(t, 65_000, true) },
			func(tc *testConn) [][]written {
				return packets(5, 58, func(i int) written {
					return sack{cum: -1, window: window, gaps: []wire.GapBlock{{Start: uint16(64_000 - 2*i), End: 64_000}}}
				})
			},
		},
	}
	for _, tt := range tests {
		b.Run(tt.desc, func(b *testing.B) {
			tc := tt.prepare(b)
			b.ReportMetric(float64(tc.costs(tt.attack(tc)...)), "ns/packet")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// TestGapFillersAreBounded: chunks that adjoin the cumulative TSN while later ones are
// held are not taken without end (CVE-2019-3874 class). // 9260-6.2-c 9260-12-a
func TestGapFillersAreBounded(t *testing.T) {
	for _, flags := range []wire.DataFlags{whole | wire.FlagUnordered, whole, wire.FlagUnordered} {
		const buffer = 8192
		tc := newConnected(t, Config{ReceiveBuffer: buffer})
		tc.write(data{tsn: 30_000, flags: whole | wire.FlagUnordered, payload: "x"})
		for i := range 1000 {
			tc.write(data{tsn: i, ssn: wire.SSN(i + 1), flags: flags, payload: string(payload(1000))})
		}
		if got := tc.a.Stats().ReceiveBuffered; got > 2*buffer+1<<16+1000 {
			t.Errorf("flags %v: %d bytes held", flags, got)
		}
	}
}

// TestListsAreTrimmed: a peer that has one stream after the other hold as much as it may, and all but
// a little of it given up or read, does not make each keep the memory for all of it. // 9260-12-a
func TestListsAreTrimmed(t *testing.T) {
	const streams, each, most = 20, 2000, 8 << 10 // bytes of a stream
	for _, flags := range []wire.DataFlags{wire.FlagBegin | wire.FlagUnordered, wire.FlagBegin, whole} {
		tc := newInterleaved(t, Config{})
		for id := range uint16(streams) {
			first := int(id) * (each + 1)
			tc.costs(packets(each/50, 50, func(i int) written {
				return iData{tsn: first + 1 + i, sid: id, mid: wire.MID(1 + i + i/(each-1)), flags: flags, payload: "x"} // the last waits for one more
			})...)
			tc.write(iForwardTSN{first + each, []wire.SkippedMessage{{Stream: id, Unordered: flags&wire.FlagUnordered != 0, MID: each - 2}}})
			if s := tc.a.invariants(tc.now); s != "" {
				t.Fatal(s)
			}
			tc.pieces(id)
		}
		kept := 0
		for _, s := range tc.a.in.streams.all() {
			kept += cap(s.fragments.runs) * int(unsafe.Sizeof(fragmentRun{}))
			if s.waiting != nil {
				kept += cap(s.waiting.list) * int(unsafe.Sizeof(s.head))
			}
		}
		if kept > streams*most {
			t.Errorf("flags %v: %d bytes are kept for what %d streams have held", flags, kept, streams)
		}
	}
}

// TestDeferredNames: whatever order a reset that waits names its streams in, what is
// sent after it on one of them is not taken, and finding that out allocates nothing.
// // 6525-5.2.2-a
func TestDeferredNames(t *testing.T) {
	tc := newConnected(t, Config{})
	tc.write(data{tsn: 1, flags: whole, payload: "x"})
	tc.write(tc.outReset(0, 3, 9, 2, 65000, 4), tc.outReset(1, 5, 7))
	held := func(stream uint16, tsn int) bool { return tc.a.reconfig.peer.holds(stream, tc.peerTSN.Add(tsn)) }
	for stream, want := range map[uint16]int{2: 4, 4: 4, 9: 4, 65000: 4, 7: 6, 3: 0} {
		for tsn := range 10 {
			if got := held(stream, tsn); got != (want > 0 && tsn >= want) {
				t.Errorf("TSN %d on stream %d held: %v", tsn, stream, got)
			}
		}
	}
	if n := testing.AllocsPerRun(100, func() { held(65000, 9) }); n > 0 {
		t.Errorf("%v allocations", n)
	}
}
