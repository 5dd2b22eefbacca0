package dcep_test

import (
	"errors"
	"fmt"

	"github.com/sluice-rtc/sluice/dcep"
)

func ExampleAppendOpen() {
	b, err := dcep.AppendOpen(nil, dcep.Open{
		ChannelType: dcep.PartialReliableRexmitUnordered,
		Priority:    dcep.PriorityNormal,
		Reliability: 3, // retransmissions
		Label:       "chat",
	})
	fmt.Printf("%x %v\n", b, err)
	// Output: 03810100000000030004000063686174 <nil>
}

func ExampleParseOpen() {
	message := []byte("\x03\x02\x01\x00\x00\x00\x05\xdc\x00\x04\x00\x03chatirc")
	open, err := dcep.ParseOpen(message)
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(open.Label, open.Protocol, open.ChannelType, open.Reliability)
	// Output: chat irc DATA_CHANNEL_PARTIAL_RELIABLE_TIMED 1500
}

func ExampleParse() {
	typ, err := dcep.Parse(dcep.AppendAck(nil))
	fmt.Println(typ, err)

	_, err = dcep.Parse([]byte{0xff})
	var broken *dcep.Error
	if errors.As(err, &broken) && broken.Rule == dcep.RuleMessageType {
		fmt.Println(err)
	}
	// Output:
	// DATA_CHANNEL_ACK <nil>
	// dcep: a message is DATA_CHANNEL_ACK or DATA_CHANNEL_OPEN (RFC 8832, section 8.2.1), got 255
}
