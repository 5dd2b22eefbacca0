package bench

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

var (
	instructions = flag.Bool("instructions", false, "count instructions of the hot paths (needs valgrind)")
	against      = flag.String("against", "", "a tree to compare instructions with, instead of RESULTS.md")
	only         = flag.String("only", ".", "count only rows that match")
)

// growth is the most that a hot path may cost more than recorded: compilers and
// neighbours in memory move what nobody changed by less.
const growth = 1.10

// priced are the packages whose tests list hot paths (package internal/hotpath).
var priced = []string{"sctp", "sctp/internal/wire", "sctp/sctpnet", "datachannel", "dcep", "internal/dtlsrecord", "internal/udpmux"}

// counts are instructions by row.
type counts map[string]float64

// TestInstructions counts the instructions of every hot path, and compares them with
// those that RESULTS.md has, or with another tree.
func TestInstructions(t *testing.T) {
	if !*instructions {
		t.Skip("needs -instructions, and valgrind")
	}
	if *write && *only != "." {
		t.Fatal("-write needs all rows")
	}
	valgrind, err := exec.LookPath("valgrind")
	if err != nil {
		t.Fatal(err)
	}
	const title = "Instructions"
	before, base := recorded(t, title), "those recorded"
	if *against != "" {
		before, base = make(counts), *against
		countTree(t, valgrind, *against, func(name string, n, _ float64) { before[name] = n })
	}
	var differences strings.Builder
	section(t, title, fmt.Sprintf(`Written by %s, which also compares: %s fails where
a path takes 10 %% more than here. Counted by callgrind within the paths that the tests of each package
list, in a steady state and without the garbage collector. The same program gives the same figure on every
machine with AVX2, within 0.1 %%, or 2 %% for the driver and the channels, which read the clock; another version of Go gives
another one. What is sent and received is counted with all that belongs to it: SACKs, events, timers, CRC32c; of the driver and the
channels both ends, and the engine below them.

%s, linux/%s.
`, "`make bench-instructions`", "`make check-instructions`", runtime.Version(), runtime.GOARCH))
	table(t, "Hot paths", "instructions", "allocations")
	countTree(t, valgrind, "..", func(name string, n, allocs float64) {
		row(t, name, fmt.Sprintf("%.0f", n), fmt.Sprintf("%.0f", allocs))
		was := before[name]
		if was == 0 {
			return
		}
		fmt.Fprintf(&differences, "%+7.1f %%  %s\n", 100*(n/was-1), name)
		if n > growth*was && !*write {
			t.Errorf("%s: %.0f instructions, %s: %.0f", name, n, base, was)
		}
	})
	t.Logf("instructions, compared with %s:\n%s", base, &differences)
}

// recorded returns what a section of RESULTS.md has, nothing if it is of another
// version of Go.
func recorded(t *testing.T, title string) counts {
	text, err := os.ReadFile("RESULTS.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), heading+title+"\n")
	rest, _, _ = strings.Cut(rest, heading)
	found := make(counts)
	if !strings.Contains(rest, runtime.Version()+", linux/"+runtime.GOARCH) {
		t.Logf("RESULTS.md has nothing of %s", runtime.Version())
		return found
	}
	for line := range strings.Lines(rest) {
		if cells := strings.Split(line, "|"); len(cells) > 3 {
			if n, err := strconv.ParseFloat(strings.TrimSpace(cells[2]), 64); err == nil {
				found[strings.TrimSpace(cells[1])] = n
			}
		}
	}
	return found
}

// A countLine is what package hotpath's benchmarks print: name, packets or messages in
// a run, allocations in a run.
var countLine = regexp.MustCompile(`(?m)^BenchmarkInstructions/(\S+)\s.*\s([0-9.]+) counted/op.*\s([0-9]+) allocs/op`)

// countTree counts the instructions of every hot path in a tree.
func countTree(t *testing.T, valgrind, tree string, each func(name string, n, allocs float64)) {
	dir := t.TempDir()
	for _, p := range priced {
		program := filepath.Join(dir, strings.ReplaceAll(p, "/", "-")+".test")
		build := exec.Command("go", "test", "-c", "-o", program, "./"+p)
		build.Dir, build.Env = tree, append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		// Native and short, for the names.
		out, err := exec.Command(program, "-test.run", "^$", "-test.bench", "^BenchmarkInstructions$", "-test.benchtime", "20x").CombinedOutput()
		if err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
		lines := countLine.FindAllStringSubmatch(strings.ReplaceAll(string(out), "-"+strconv.Itoa(runtime.GOMAXPROCS(0))+" ", " "), -1)
		if len(lines) == 0 {
			t.Fatalf("%s has no hot paths:\n%s", p, out)
		}
		for _, l := range lines {
			name := p + ": " + strings.ReplaceAll(l[1], "_", " ")
			if ok, err := regexp.MatchString(*only, name); err != nil {
				t.Fatal(err)
			} else if !ok {
				continue
			}
			ops, _ := strconv.ParseFloat(l[2], 64)
			allocs, _ := strconv.ParseFloat(l[3], 64)
			each(name, countRow(t, valgrind, program, l[1])/ops, allocs/ops)
		}
	}
}

// countRow returns the instructions of one run of a hot path.
func countRow(t *testing.T, valgrind, program, name string) float64 {
	const runs = 200
	file := filepath.Join(t.TempDir(), "callgrind")
	cmd := exec.Command(valgrind, "-q", "--tool=callgrind", "--callgrind-out-file="+file,
		"--collect-atstart=no", "--toggle-collect=github.com/sluice-rtc/sluice/internal/hotpath.counted",
		program, "-test.run", "^$", "-test.benchtime", fmt.Sprint(runs, "x"),
		"-test.bench", "^BenchmarkInstructions$/^"+regexp.QuoteMeta(name)+"$")
	// One thread, no garbage collector, nothing preempted: the same steps each time.
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1", "GOGC=off", "GODEBUG=asyncpreemptoff=1")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
	counted, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	_, total, _ := bytes.Cut(counted, []byte("\ntotals: "))
	total, _, _ = bytes.Cut(total, []byte("\n"))
	n, err := strconv.ParseFloat(string(total), 64)
	if err != nil || n == 0 {
		t.Fatalf("%s: callgrind counted nothing: %v", name, err)
	}
	return n / runs
}
