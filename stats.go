package sluice

import (
	"encoding/json"
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
	"github.com/sluice-rtc/sluice/sctp"
)

// Stats describe a connection at one moment. Names and meanings are those of
// W3C webrtc-stats and webrtc-provisional-stats; what these give in seconds is in seconds
// here, what they leave out is left out in JSON. Report has them as getStats has.
type Stats struct {
	Timestamp        time.Time            `json:"timestamp"`
	PeerConnection   PeerConnectionStats  `json:"peerConnection"`
	Transport        TransportStats       `json:"transport"`
	SCTPTransport    SCTPTransportStats   `json:"sctpTransport"`
	CandidatePairs   []CandidatePairStats `json:"candidatePairs,omitempty"`
	LocalCandidates  []CandidateStats     `json:"localCandidates,omitempty"`
	RemoteCandidates []CandidateStats     `json:"remoteCandidates,omitempty"`
	Certificates     []CertificateStats   `json:"certificates"` // ours, then the peer's leaf once it is known
	DataChannels     []DataChannelStats   `json:"dataChannels,omitempty"`

	// SCTP is all there is about the association, for which W3C has no names; zero before
	// it is started.
	SCTP sctp.Stats `json:"sctp"`
}

// A StatsReport is W3C's RTCStatsReport: the statistics objects by their id. Its JSON is
// what JSON.stringify(Object.fromEntries(await pc.getStats())) gives in a browser.
type StatsReport map[string]any

// Report returns the same statistics as an RTCStatsReport. The values are the structs of
// Stats, not pointers to them.
func (s *Stats) Report() StatsReport {
	r := StatsReport{s.PeerConnection.ID: s.PeerConnection, s.Transport.ID: s.Transport}
	if s.SCTPTransport.ID != "" {
		r[s.SCTPTransport.ID] = s.SCTPTransport
	}
	for _, p := range s.CandidatePairs {
		r[p.ID] = p
	}
	for _, list := range [][]CandidateStats{s.LocalCandidates, s.RemoteCandidates} {
		for _, c := range list {
			r[c.ID] = c
		}
	}
	for _, c := range s.Certificates {
		r[c.ID] = c
	}
	for _, ch := range s.DataChannels {
		r[ch.ID] = ch
	}
	return r
}

// StatsType is W3C's RTCStatsType.
type StatsType string

// The types of statistics that there are here.
const (
	StatsTypePeerConnection  StatsType = "peer-connection"
	StatsTypeTransport       StatsType = "transport"
	StatsTypeSCTPTransport   StatsType = "sctp-transport"
	StatsTypeCandidatePair   StatsType = "candidate-pair"
	StatsTypeLocalCandidate  StatsType = "local-candidate"
	StatsTypeRemoteCandidate StatsType = "remote-candidate"
	StatsTypeCertificate     StatsType = "certificate"
	StatsTypeDataChannel     StatsType = "data-channel"
)

// StatsObject is what all statistics objects have: W3C's RTCStats.
type StatsObject struct {
	ID        string         `json:"id"` // the same for the same thing, all along
	Type      StatsType      `json:"type"`
	Timestamp StatsTimestamp `json:"timestamp"`
}

// StatsTimestamp is a time that JSON has as a DOMHighResTimeStamp: milliseconds since
// 1970.
type StatsTimestamp struct{ time.Time }

// MarshalJSON writes the milliseconds, to a microsecond.
func (t StatsTimestamp) MarshalJSON() ([]byte, error) {
	return json.Marshal(float64(t.UnixMicro()) / 1000)
}

// UnmarshalJSON reads the milliseconds.
func (t *StatsTimestamp) UnmarshalJSON(b []byte) error {
	var ms float64
	if err := json.Unmarshal(b, &ms); err != nil {
		return err
	}
	t.Time = time.UnixMicro(int64(ms * 1000))
	return nil
}

// PeerConnectionStats are RTCPeerConnectionStats.
type PeerConnectionStats struct {
	StatsObject
	DataChannelsOpened    uint64 `json:"dataChannelsOpened"`    // that were ever open
	DataChannelsClosed    uint64 `json:"dataChannelsClosed"`    // that were open and are not any more
	DataChannelsRequested uint64 `json:"dataChannelsRequested"` // created here
	DataChannelsAccepted  uint64 `json:"dataChannelsAccepted"`  // opened by the peer
}

// TransportStats are RTCTransportStats. Packets and bytes are those of DTLS: the
// payload of ICE, without its checks.
type TransportStats struct {
	StatsObject
	PacketsSent     uint64 `json:"packetsSent"`
	PacketsReceived uint64 `json:"packetsReceived"`
	BytesSent       uint64 `json:"bytesSent"`
	BytesReceived   uint64 `json:"bytesReceived"`

	ICERole                      string             `json:"iceRole"` // "unknown" before start; as signalled, a conflict is solved silently
	ICELocalUsernameFragment     string             `json:"iceLocalUsernameFragment"`
	ICEState                     ICEConnectionState `json:"iceState"`
	SelectedCandidatePairID      string             `json:"selectedCandidatePairId,omitempty"`
	SelectedCandidatePairChanges int                `json:"selectedCandidatePairChanges"`

	DTLSState           DTLSState `json:"dtlsState"`
	DTLSRole            string    `json:"dtlsRole"`             // "unknown" before start
	TLSVersion          string    `json:"tlsVersion,omitempty"` // FEFD is DTLS 1.2
	DTLSCipher          string    `json:"dtlsCipher,omitempty"` // IANA name
	LocalCertificateID  string    `json:"localCertificateId,omitempty"`
	RemoteCertificateID string    `json:"remoteCertificateId,omitempty"`

	PacketsDiscardedOnSend uint64           `json:"packetsDiscardedOnSend"` // for want of a path, or refused by the system; in W3C's only a pair has it
	DatagramsDropped       DroppedDatagrams `json:"datagramsDropped"`       // not in W3C's
	RecordsDropped         DroppedRecords   `json:"recordsDropped"`         // not in W3C's
}

// DroppedDatagrams count datagrams that came in at the sockets of a connection and
// that neither ICE nor DTLS has seen, by the reason. On a UDPMux all but Early are
// nobody's in particular, and counted by UDPMux.Stats.
type DroppedDatagrams struct {
	Strangers uint64 `json:"strangers"` // from addresses that are not the peer's, or STUN for somebody else
	Malformed uint64 `json:"malformed"` // STUN that is broken
	Unknown   uint64 `json:"unknown"`   // neither DTLS nor STUN of a kind that is used
	QueueFull uint64 `json:"queueFull"` // STUN of which too much came in at once
	Early     uint64 `json:"early"`     // DTLS before ICE had a path, beyond what is kept
}

// DroppedRecords count records of DTLS that were received and came to nothing, by the
// reason. They come from a network that repeats and damages, or from somebody who
// pretends to be the peer, and do no harm.
type DroppedRecords struct {
	Malformed uint64 `json:"malformed"` // truncated, oversized, of no known type or version
	Plaintext uint64 `json:"plaintext"` // not encrypted, where they have to be
	Epoch     uint64 `json:"epoch"`     // of an epoch that there is not
	Replayed  uint64 `json:"replayed"`  // received before, or too old to tell
	Forged    uint64 `json:"forged"`    // failing authentication
	NoRoom    uint64 `json:"noRoom"`    // beyond what is kept of what comes too early
	Ignored   uint64 `json:"ignored"`   // authentic and without meaning here
	Late      uint64 `json:"late"`      // after the end
	Foreign   uint64 `json:"foreign"`   // of another handshake between the same addresses
}

// SCTPTransportStats are RTCSctpTransportStats, zero before the association is started.
// What there is beside them is in Stats.SCTP.
type SCTPTransportStats struct {
	StatsObject
	TransportID           string  `json:"transportId"`
	SmoothedRoundTripTime float64 `json:"smoothedRoundTripTime,omitempty"` // seconds; 0 before a measurement
	CongestionWindow      int     `json:"congestionWindow"`                // bytes
	ReceiverWindow        int     `json:"receiverWindow"`                  // bytes that the peer advertised last
	MTU                   int     `json:"mtu"`                             // bytes of an SCTP packet
	UnackData             int     `json:"unackData"`                       // DATA chunks that are not acknowledged

	StreamsRefused uint64 `json:"streamsRefused"` // closed because what came on them opens no channel; not in W3C's
}

// CandidatePairStats are RTCIceCandidatePairStats, but for the bitrates that congestion control of media
// estimates. Packets and bytes are those of DTLS. Between UDP ports of ours and the peer everything is
// counted, whatever pair is selected; over TURN servers and TCP what goes while the pair is selected, and of the checks those
// for consent, and answers, as the ICE library does not count others.
type CandidatePairStats struct {
	StatsObject
	TransportID       string `json:"transportId"`
	LocalCandidateID  string `json:"localCandidateId"`
	RemoteCandidateID string `json:"remoteCandidateId"`
	State             string `json:"state"`
	Nominated         bool   `json:"nominated"`

	PacketsSent            uint64         `json:"packetsSent"`
	PacketsReceived        uint64         `json:"packetsReceived"`
	BytesSent              uint64         `json:"bytesSent"`
	BytesReceived          uint64         `json:"bytesReceived"`
	LastPacketSent         StatsTimestamp `json:"lastPacketSentTimestamp,omitzero"`
	LastPacketReceived     StatsTimestamp `json:"lastPacketReceivedTimestamp,omitzero"`
	PacketsDiscardedOnSend uint64         `json:"packetsDiscardedOnSend"` // refused by the system
	BytesDiscardedOnSend   uint64         `json:"bytesDiscardedOnSend"`

	CurrentRoundTripTime float64 `json:"currentRoundTripTime,omitempty"` // seconds, of the last check
	TotalRoundTripTime   float64 `json:"totalRoundTripTime"`             // seconds
	RequestsSent         uint64  `json:"requestsSent"`
	RequestsReceived     uint64  `json:"requestsReceived"`
	ResponsesSent        uint64  `json:"responsesSent"`
	ResponsesReceived    uint64  `json:"responsesReceived"`
	ConsentRequestsSent  uint64  `json:"consentRequestsSent"` // of the requests those for consent (RFC 7675)
}

// CandidateStats are RTCIceCandidateStats.
type CandidateStats struct {
	StatsObject
	TransportID      string `json:"transportId"`
	Address          string `json:"address"`
	Port             int    `json:"port"`
	Protocol         string `json:"protocol"`
	CandidateType    string `json:"candidateType"`
	Priority         uint32 `json:"priority"`
	Foundation       string `json:"foundation,omitempty"`
	RelatedAddress   string `json:"relatedAddress,omitempty"`
	RelatedPort      int    `json:"relatedPort,omitempty"`
	TCPType          string `json:"tcpType,omitempty"`
	UsernameFragment string `json:"usernameFragment,omitempty"`
	RelayProtocol    string `json:"relayProtocol,omitempty"` // between us and the TURN server
}

// CertificateStats are RTCCertificateStats.
type CertificateStats struct {
	StatsObject
	Fingerprint          string `json:"fingerprint"`
	FingerprintAlgorithm string `json:"fingerprintAlgorithm"`
	DER                  []byte `json:"base64Certificate"`
}

// DataChannelStats are RTCDataChannelStats. There is one for each channel whose identifier
// is in use.
type DataChannelStats struct {
	StatsObject
	datachannel.ChannelStats
}
