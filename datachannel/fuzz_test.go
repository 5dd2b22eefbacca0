package datachannel

import (
	"testing"

	"github.com/sluice-rtc/sluice/dcep"
	"github.com/sluice-rtc/sluice/sctp"
)

// FuzzPeer has a peer do what its input says: send anything on any stream, reset
// streams, while the session opens, uses and closes channels. The session may
// close what it likes, but it must not panic, hang, or hold anything unbounded,
// and a new channel on a fresh stream must work afterwards.
func FuzzPeer(f *testing.F) {
	f.Add([]byte("\x00\x01\x00\x10\x03\x00\x00\x00\x00\x00\x00\x00\x00\x04\x00\x00chat\x00\x01\x01\x03abc\x01\x01"))
	f.Add([]byte("\x02\x00\x00\x00\x00\x01\x02\x00\x01\x00\x03\x00\x04\x00"))
	f.Add([]byte("\x00\x02\x04\x01x\x01\x02\x00\x03\x00\x01\x02\x05\x03\x02"))
	f.Fuzz(func(t *testing.T, script []byte) {
		if len(script) > 400 {
			return
		}
		cfg := Config{MaxMessageSize: 1000, MaxBufferedAmount: 100000, SCTP: sctp.Config{ReceiveBuffer: 16384}}
		hostile(t, cfg, true, sctp.Config{SendBuffer: 1 << 20}, func(t *testing.T, s *Session, r *rawPeer) {
			for len(script) >= 2 {
				script = fuzzStep(t, s, r, script)
			}
			settle()
			r.sendOpen(2001, dcep.Open{Label: "afterwards"})
			r.wantAck(2001)
			for ch := r.accept(s); ch.Label() != "afterwards"; ch = r.accept(s) {
				ch.Close()
			}
			s.lock()
			defer s.unlock()
			if s.recv.held > maxPartials || s.incoming.unannounced != 0 || s.blocked.len() > 100 {
				t.Errorf("%d bytes of beginnings, %d unannounced, %d blocked", s.recv.held, s.incoming.unannounced, s.blocked.len())
			}
		})
	})
}

// fuzzPPIDs are those a script can choose from.
var fuzzPPIDs = []uint32{dcep.PPIDControl, dcep.PPIDString, dcep.PPIDBinary, dcep.PPIDStringEmpty, dcep.PPIDBinaryEmpty, dcep.PPIDBinaryPartial, 0, 1 << 31}

// fuzzStep runs the first command of a script and returns the rest.
func fuzzStep(t *testing.T, s *Session, r *rawPeer, script []byte) []byte {
	op, stream := script[0], uint16(script[1]%8)
	script = script[2:]
	switch op % 7 {
	case 0: // the peer sends
		if len(script) < 2 {
			return nil
		}
		ppid, n := fuzzPPIDs[script[0]%8], int(script[1])
		unordered := script[0]&8 != 0
		n = min(n, len(script)-2)
		payload := append([]byte(nil), script[2:2+n]...)
		script = script[2+n:]
		if script := payload; op >= 128 { // a long one
			payload = append(script, make([]byte, 50*n)...)
		}
		if len(payload) > 0 {
			r.conn.TryWriteMessage(sctp.Message{Stream: stream, PPID: ppid, Payload: payload, Unordered: unordered})
		}
	case 1: // the peer resets
		r.conn.ResetStreams(stream)
	case 2:
		if ch, err := s.CreateChannel("mine", &Init{Unordered: stream%2 == 0}); err == nil {
			ch.OnMessage(func(Message) {})
		}
	case 3: // the application takes a channel
		if ch, err := s.tryAccept(); err == nil && ch != nil && stream%2 == 0 {
			ch.OnMessage(func(m Message) { ch.Send(m.Data) })
		}
	case 4, 5:
		s.lock()
		var ch *Channel
		if st := s.streams[stream]; st != nil {
			ch = st.ch
		}
		s.unlock()
		if ch != nil && op%7 == 4 {
			ch.Close()
		} else if ch != nil {
			ch.SendText("hello")
		}
	case 6:
		settle()
	}
	return script
}
