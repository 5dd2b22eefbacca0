//go:build !js

package sluice

import "time"

// Stats returns the statistics.
func (t *Transport) Stats() Stats { return t.core.stats() }

// Stats returns the statistics, also after Close. Those of transports and channels are of
// the association in use; a negotiation may have replaced another.
func (pc *PeerConnection) Stats() Stats {
	pc.mu.Lock()
	c, past := pc.core, pc.past
	pc.mu.Unlock()
	s := c.stats()
	s.PeerConnection.add(past)
	return s
}

func (c *core) stats() Stats {
	s := Stats{Timestamp: time.Now()}
	s.addSession(c.session.Stats())
	s.addCertificate(&s.Transport.LocalCertificateID, c.cert.der)
	c.mu.Lock()
	s.Transport.DTLSState, s.Transport.ICERole, s.Transport.DTLSRole = c.dtlsState, "unknown", "unknown"
	if c.started {
		s.Transport.ICERole, s.Transport.DTLSRole = "controlled", string(DTLSRoleServer)
		if c.params.controlling {
			s.Transport.ICERole = "controlling"
		}
		if c.params.dtlsClient {
			s.Transport.DTLSRole = string(DTLSRoleClient)
		}
	}
	secure := c.secure
	c.mu.Unlock()
	if secure != nil {
		info := secure.Info()
		s.Transport.DTLSCipher = info.Cipher
		s.Transport.TLSVersion = tlsVersion(info.Version)
		s.Transport.RecordsDropped = secure.Dropped()
		if certs := secure.PeerCertificates(); len(certs) > 0 {
			s.addCertificate(&s.Transport.RemoteCertificateID, certs[0])
		}
	}
	c.ice.addStats(&s)
	s.identify(c.number)
	return s
}

// addCertificate adds a certificate, and its ID to who uses it.
func (s *Stats) addCertificate(id *string, der []byte) {
	f := newFingerprint("sha-256", der)
	*id = "certificate-" + f.Value
	for _, c := range s.Certificates {
		if c.ID == *id {
			return // both sides are one program
		}
	}
	s.Certificates = append(s.Certificates, CertificateStats{
		StatsObject: StatsObject{ID: *id}, Fingerprint: f.Value, FingerprintAlgorithm: f.Algorithm, DER: append([]byte(nil), der...)})
}

// tlsVersion writes a version as webrtc-stats does: four hexadecimal digits.
func tlsVersion(v uint16) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15]})
}

// addStats fills in what ICE knows of the generation in use, before there is one
// of the newest; nothing but the counters after close.
func (t *iceTransport) addStats(s *Stats) {
	t.mu.Lock()
	g := t.used
	if g == nil {
		g = t.newest()
	}
	s.Transport.ICELocalUsernameFragment = g.ufrag
	s.Transport.ICEState = t.state
	s.Transport.SelectedCandidatePairChanges = t.pairChanges
	closed, path, counts, agent := t.closed, t.path, g.counted(), g.agent
	var known iceKnowledge
	if g.kept != nil {
		known = g.kept.known.clone()
	}
	t.mu.Unlock()
	c := path.Stats()
	s.Transport.PacketsSent, s.Transport.BytesSent = c.Sent, c.SentBytes
	s.Transport.PacketsReceived, s.Transport.BytesReceived = c.Received, c.ReceivedBytes
	s.Transport.PacketsDiscardedOnSend = c.SendLost
	s.Transport.DatagramsDropped.Early = c.ReceiveLost
	if t.cfg.UDPMux == nil {
		d, m := &s.Transport.DatagramsDropped, t.mux.Stats()
		d.Strangers, d.Malformed, d.Unknown, d.QueueFull = m.Strangers, m.Malformed, m.Unknown, m.QueueFull
	}
	if closed {
		return
	}
	if agent != nil {
		known = agentKnowledge(agent)
		t.mu.Lock()
		if g.kept != nil { // since then: an agent that is closed knows nothing any more
			known = g.kept.known.clone()
		}
		t.mu.Unlock()
	}
	s.Transport.SelectedCandidatePairID = known.selected
	if p := known.pairOf(counts.selected); p != nil && known.selected == "" { // data flows, and ICE is yet to nominate
		s.Transport.SelectedCandidatePairID = p.ID
	}
	counts.addTo(&known, s.Transport.SelectedCandidatePairID)
	s.CandidatePairs, s.LocalCandidates, s.RemoteCandidates = known.pairs, known.locals, known.remotes
	for i := range s.LocalCandidates {
		s.LocalCandidates[i].UsernameFragment = g.ufrag
	}
}
