package sluice

import (
	"encoding/json"
	"syscall/js"
	"time"
)

// Stats returns the statistics that the browser gives, and zero for all else. After
// Close there are only those of Stats.DataChannels.
func (pc *PeerConnection) Stats() Stats {
	s := Stats{Timestamp: time.Now(), DataChannels: pc.session.Stats()}
	s.Transport = TransportStats{ICERole: "unknown", DTLSState: DTLSStateNew, DTLSRole: "unknown"}
	report, err := pc.call("Stats", "getStats")
	if err != nil {
		s.Transport.ICEState, s.Transport.DTLSState = ICEConnectionStateClosed, DTLSStateClosed
		return s
	}
	s.Transport.ICEState = pc.ICEConnectionState()
	var fingerprints = map[string]CertificateStats{}
	var local, remote string // their identifiers
	each := js.FuncOf(func(_ js.Value, args []js.Value) any {
		entry := args[0]
		text := []byte(js.Global().Get("JSON").Call("stringify", entry).String())
		switch entry.Get("type").String() {
		case "transport":
			var ids struct {
				Local  string `json:"localCertificateId"`
				Remote string `json:"remoteCertificateId"`
			}
			read(text, &s.Transport)
			read(text, &ids)
			local, remote = ids.Local, ids.Remote
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
	for _, id := range []string{local, remote} {
		if c, ok := fingerprints[id]; ok {
			s.Certificates = append(s.Certificates, c)
		}
	}
	return s
}

// read decodes an entry of the report. Members that do not fit, as dates that are
// numbers, stay what they were.
func read[T any](text []byte, into *T) T {
	_ = json.Unmarshal(text, into)
	return *into
}

func appendRead[T any](list []T, text []byte) []T {
	var v T
	return append(list, read(text, &v))
}
