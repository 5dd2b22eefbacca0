package wpt

import "slices"

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
