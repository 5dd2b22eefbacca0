package sctp_test

import (
	"fmt"
	"net/netip"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
)

// Whoever keeps something of each association finds it by its slot.
func ExampleAssociationID_Slot() {
	e, err := sctp.NewEndpoint(sctp.EndpointConfig{Config: sctp.Config{Seed: [32]byte{1}}}) // a random one outside of examples
	if err != nil {
		panic(err)
	}
	var names []string
	for i := range 3 {
		id, err := e.Connect(time.Now(), netip.AddrPortFrom(netip.AddrFrom4([4]byte{192, 0, 2, byte(i)}), 9899))
		if err != nil {
			panic(err)
		}
		for id.Slot() >= len(names) {
			names = append(names, "")
		}
		names[id.Slot()] = fmt.Sprint("peer ", i)
	}
	fmt.Println(names)
	// Output: [peer 0 peer 1 peer 2]
}
