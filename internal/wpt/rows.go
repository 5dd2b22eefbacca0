package wpt

import (
	"fmt"
	"slices"
)

// A Row is a behaviour.
type Row struct {
	File string // of web-platform-tests
	Desc string
	Kind Kind
	Run  func(c *Case)
}

// A Kind says with what a row is run.
type Kind int

const (
	Both  Kind = iota // with channels that are opened in band, and with negotiated ones
	Once              // with channels that the row makes itself
	Alone             // with Near, which is not connected: nothing shows on the wire
)

// A Run is a row with one way to make channels.
type Run struct {
	Row
	Negotiated bool
}

// Name is that of the run as a subtest.
func (r Run) Name() string {
	name := r.File + "/" + r.Desc
	if r.Kind == Both {
		name += fmt.Sprintf("/negotiated=%v", r.Negotiated)
	}
	return name
}

// Runs returns the table, with the rows of kind Both twice.
func Runs() []Run {
	var runs []Run
	for _, row := range Rows() {
		runs = append(runs, Run{row, false})
		if row.Kind == Both {
			runs = append(runs, Run{row, true})
		}
	}
	return runs
}

// Rows returns the table.
func Rows() []Row {
	return slices.Concat(createRows(), openRows(), sendRows(), bufferRows(), closeRows())
}

const (
	createFile    = "RTCPeerConnection-createDataChannel.html"
	idFile        = "RTCDataChannel-id.html"
	dcepFile      = "RTCDataChannel-dcep.html"
	onopenFile    = "RTCDataChannel-onopen.html"
	onchannelFile = "RTCPeerConnection-ondatachannel.html"
	sendFile      = "RTCDataChannel-send.html"
	bothFile      = "RTCDataChannel-send-receive.html"
	orderFile     = "RTCDataChannel-send-blob-order.html"
	stressFile    = "RTCDataChannel-send-receive-stress.html"
	amountFile    = "RTCDataChannel-bufferedAmount.html"
	lowFile       = "RTCDataChannel-bufferedAmountLowThreshold.html"
	closeFile     = "RTCDataChannel-close.html"
	pcCloseFile   = "RTCPeerConnection-close.html"
	restartFile   = "RTCDataChannel-iceRestart.html"
	sizeFile      = "RTCSctpTransport-maxMessageSize.html"
	channelsFile  = "RTCSctpTransport-maxChannels.html"
)
