package sctptrace_test

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"github.com/sluice-rtc/sluice/sctp"
	"github.com/sluice-rtc/sluice/sctp/sctptrace"
)

// A file for Wireshark and one for what packets do not show. The same Config.Trace
// is in sctpnet.Config.SCTP, datachannel.Config.SCTP and sluice.Config.SCTP.
func Example() {
	dir, err := os.MkdirTemp("", "trace")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	packets, err := os.Create(filepath.Join(dir, "packets.pcapng"))
	if err != nil {
		panic(err)
	}
	defer packets.Close()
	events, err := os.Create(filepath.Join(dir, "events.sqlog"))
	if err != nil {
		panic(err)
	}
	defer events.Close()

	w := bufio.NewWriter(events)
	pcap, qlog := sctptrace.NewPcap(packets, 0), sctptrace.NewQlog(w, "an example")
	a, err := sctp.New(sctp.Config{Trace: sctptrace.Tee(pcap, qlog)})
	if err != nil {
		panic(err)
	}

	now := time.Now()
	a.Connect(now)
	a.Transmit(now, nil)
	w.Flush()
	for _, f := range []*os.File{packets, events} {
		info, err := f.Stat()
		fmt.Println(filepath.Base(f.Name()), info.Size() > 100, err)
	}
	// Output:
	// packets.pcapng true <nil>
	// events.sqlog true <nil>
}
