package interop

import (
	"encoding/json"
	"flag"
	"fmt"
	"net"
	"os"
	"testing"
	"time"

	"github.com/sluice-rtc/sluice/internal/netns"
)

var (
	bulkTime = flag.Duration("bulk", 3*time.Second, "how long bulk is sent each way")
	write    = flag.Bool("write", false, "write the table to ../RESULTS.md")
)

// peersVariable hands over what was prepared to the process in the namespace.
const peersVariable = "SLUICE_INTEROP_PEERS"

func TestMain(m *testing.M) {
	flag.Parse()
	if os.Getenv(peersVariable) == "" {
		encoded, err := json.Marshal(prepareAll())
		if err == nil {
			err = os.Setenv(peersVariable, string(encoded))
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, "interop:", err)
			os.Exit(1)
		}
	}
	commands := append([]string{"link set lo up"}, netns.Wire("interop", "10.77.0.1/24")...)
	os.Exit(netns.Main(func() int { return runTests(m) }, commands...))
}

// runTests runs in the namespace, where nothing can be installed any more.
func runTests(m *testing.M) int {
	var found map[string]preparation
	if err := json.Unmarshal([]byte(os.Getenv(peersVariable)), &found); err != nil {
		fmt.Fprintln(os.Stderr, "interop:", err)
		return 1
	}
	for _, r := range rows {
		r.cells = make(map[string]*cell)
		if r.kind == "" {
			r.command, r.missing = found[r.name].Command, found[r.name].Missing
		} else if _, err := r.kind.Find(); err != nil {
			r.missing = err.Error()
		}
		if r.missing != "" {
			fmt.Fprintf(os.Stderr, "\n*** interop: NO TEST RUNS AGAINST %s: %s ***\n\n", r.name, r.missing)
		}
	}
	code := m.Run()
	if *write {
		if err := writeResults(); err != nil {
			fmt.Fprintln(os.Stderr, "interop:", err)
			return 1
		}
	}
	return code
}

// hostAddress is where everybody is: the first address of IPv4 that is not of loopback.
func hostAddress() net.IP {
	addresses, _ := net.InterfaceAddrs()
	for _, a := range addresses {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.To4()
		}
	}
	return net.IPv4(127, 0, 0, 1).To4()
}
