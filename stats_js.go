package sluice

import (
	"encoding/json"
	"syscall/js"
	"time"
)

// Stats returns the statistics that the browser gives, and zero for all else. After
// Close there are only those of channels.
func (pc *PeerConnection) Stats() (s Stats) {
	s = Stats{Timestamp: time.Now()}
	defer s.identify(1)
	s.addSession(pc.session.Stats())
	s.Transport = TransportStats{ICERole: "unknown", DTLSState: DTLSStateNew, DTLSRole: "unknown"}
	report, err := pc.call("Stats", "getStats")
	if err != nil {
		s.Transport.ICEState, s.Transport.DTLSState = ICEConnectionStateClosed, DTLSStateClosed
		return s
	}
	s.Transport.ICEState = pc.ICEConnectionState()
	var fingerprints = map[string]CertificateStats{}
	each := js.FuncOf(func(_ js.Value, args []js.Value) any {
		entry := args[0]
		text := []byte(js.Global().Get("JSON").Call("stringify", entry).String())
		switch entry.Get("type").String() {
		case "transport":
			read(text, &s.Transport)
		case "candidate-pair":
			s.CandidatePairs = appendRead(s.CandidatePairs, text)
		case "local-candidate":
			s.LocalCandidates = appendRead(s.LocalCandidates, text)
		case "remote-candidate":
			s.RemoteCandidates = appendRead(s.RemoteCandidates, text)
		case "certificate":
			fingerprints[entry.Get("id").String()] = read(text, new(CertificateStats))
		}
		return nil
	})
	defer each.Release()
	report.Call("forEach", each)
	for _, id := range []string{s.Transport.LocalCertificateID, s.Transport.RemoteCertificateID} {
		if c, ok := fingerprints[id]; ok {
			s.Certificates = append(s.Certificates, c)
		}
	}
	return s
}

// read decodes an entry of the report. Members that do not fit stay what they were.
func read[T any](text []byte, into *T) T {
	_ = json.Unmarshal(text, into)
	return *into
}

func appendRead[T any](list []T, text []byte) []T {
	var v T
	return append(list, read(text, &v))
}
