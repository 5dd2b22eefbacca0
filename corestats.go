//go:build !js

package sluice

import "time"

// Stats returns the statistics.
func (t *Transport) Stats() Stats { return t.core.stats() }

func (c *core) stats() Stats {
	s := Stats{
		Timestamp:    time.Now(),
		Certificates: []CertificateStats{certificateStats(c.cert.der)},
		DataChannels: c.session.Stats(),
	}
	a := &s.DataChannels.SCTP
	s.SCTPTransport = SCTPTransportStats{
		SmoothedRoundTripTime: a.SRTT.Seconds(), CongestionWindow: a.CongestionWindow, ReceiverWindow: a.PeerAdvertisedWindow,
		MTU: a.MTU, UnackData: a.UnackedDataChunks,
	}
	c.mu.Lock()
	s.Transport = TransportStats{ICERole: "unknown", DTLSState: c.dtlsState, DTLSRole: "unknown"}
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
			s.Certificates = append(s.Certificates, certificateStats(certs[0]))
		}
	}
	c.ice.addStats(&s)
	return s
}

// tlsVersion writes a version as webrtc-stats does: four hexadecimal digits.
func tlsVersion(v uint16) string {
	const digits = "0123456789ABCDEF"
	return string([]byte{digits[v>>12], digits[v>>8&15], digits[v>>4&15], digits[v&15]})
}

func certificateStats(der []byte) CertificateStats {
	f := newFingerprint("sha-256", der)
	return CertificateStats{Fingerprint: f.Value, FingerprintAlgorithm: f.Algorithm, DER: append([]byte(nil), der...)}
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
	closed, pair, agent := t.closed, g.pair, g.agent
	var known iceKnowledge
	if g.kept != nil {
		known = g.kept.known.clone()
	}
	t.mu.Unlock()
	c := t.session.Stats()
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
	s.CandidatePairs, s.LocalCandidates, s.RemoteCandidates = known.pairs, known.locals, known.remotes
	s.Transport.SelectedCandidatePairID = known.selected
	if p := known.pairOf(pair); p != nil && known.selected == "" { // data flows, and ICE is yet to nominate
		s.Transport.SelectedCandidatePairID = p.ID
	}
	for i := range s.CandidatePairs {
		if p := &s.CandidatePairs[i]; p.ID == known.selected {
			g.consent.addStats(p) // the agent's checks end with the selection
		}
	}
}
