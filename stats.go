package sluice

import (
	"time"

	"github.com/sluice-rtc/sluice/datachannel"
)

// Stats describe a connection at one moment. Names and meanings are those of
// W3C webrtc-stats; what it gives in seconds is in seconds here, so that JSON of
// it can be read as the browser's.
type Stats struct {
	Timestamp        time.Time            `json:"timestamp"`
	Transport        TransportStats       `json:"transport"`
	SCTPTransport    SCTPTransportStats   `json:"sctpTransport"` // zero before start
	CandidatePairs   []CandidatePairStats `json:"candidatePairs,omitempty"`
	LocalCandidates  []CandidateStats     `json:"localCandidates,omitempty"`
	RemoteCandidates []CandidateStats     `json:"remoteCandidates,omitempty"`
	Certificates     []CertificateStats   `json:"certificates"` // ours, then the peer's leaf once it is known
	DataChannels     datachannel.Stats    `json:"dataChannels"` // with the SCTP association
}

// TransportStats are RTCTransportStats. Packets and bytes are those of DTLS: the
// payload of ICE, without its checks.
type TransportStats struct {
	PacketsSent     uint64 `json:"packetsSent"`
	PacketsReceived uint64 `json:"packetsReceived"`
	BytesSent       uint64 `json:"bytesSent"`
	BytesReceived   uint64 `json:"bytesReceived"`

	ICERole                      string             `json:"iceRole"` // "unknown" before start; as signalled, a conflict is solved silently
	ICELocalUsernameFragment     string             `json:"iceLocalUsernameFragment"`
	ICEState                     ICEConnectionState `json:"iceState"`
	SelectedCandidatePairID      string             `json:"selectedCandidatePairId,omitempty"`
	SelectedCandidatePairChanges int                `json:"selectedCandidatePairChanges"`

	DTLSState  DTLSState `json:"dtlsState"`
	DTLSRole   string    `json:"dtlsRole"`             // "unknown" before start
	TLSVersion string    `json:"tlsVersion,omitempty"` // FEFD is DTLS 1.2
	DTLSCipher string    `json:"dtlsCipher,omitempty"` // IANA name

	PacketsDiscardedOnSend uint64           `json:"packetsDiscardedOnSend"` // for want of a path, or refused by the system; W3C's has it for each pair
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
}

// SCTPTransportStats are RTCSctpTransportStats. What there is beside them is in
// Stats.DataChannels.SCTP.
type SCTPTransportStats struct {
	SmoothedRoundTripTime float64 `json:"smoothedRoundTripTime,omitempty"` // seconds; 0 before a measurement
	CongestionWindow      int     `json:"congestionWindow"`                // bytes
	ReceiverWindow        int     `json:"receiverWindow"`                  // bytes that the peer advertised last
	MTU                   int     `json:"mtu"`                             // bytes of an SCTP packet
	UnackData             int     `json:"unackData"`                       // DATA chunks that are not acknowledged
}

// CandidatePairStats are RTCIceCandidatePairStats.
type CandidatePairStats struct {
	ID                   string  `json:"id"`
	LocalCandidateID     string  `json:"localCandidateId"`
	RemoteCandidateID    string  `json:"remoteCandidateId"`
	State                string  `json:"state"`
	Nominated            bool    `json:"nominated"`
	CurrentRoundTripTime float64 `json:"currentRoundTripTime,omitempty"` // seconds, of the last check
	TotalRoundTripTime   float64 `json:"totalRoundTripTime"`             // seconds
	ResponsesReceived    uint64  `json:"responsesReceived"`
}

// CandidateStats are RTCIceCandidateStats.
type CandidateStats struct {
	ID            string `json:"id"`
	Address       string `json:"address"`
	Port          int    `json:"port"`
	Protocol      string `json:"protocol"`
	CandidateType string `json:"candidateType"`
	Priority      uint32 `json:"priority"`
	RelayProtocol string `json:"relayProtocol,omitempty"` // between us and the TURN server
}

// CertificateStats are RTCCertificateStats.
type CertificateStats struct {
	Fingerprint          string `json:"fingerprint"`
	FingerprintAlgorithm string `json:"fingerprintAlgorithm"`
	DER                  []byte `json:"base64Certificate"`
}
