package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func openTestJournal(t testing.TB, dir string, limit int64) *journal {
	t.Helper()
	j, err := openJournal(dir, limit)
	must(t, err)
	t.Cleanup(func() { j.close() })
	return j
}

// wantRecords reads everything after n, which must be the numbers from first to last.
func (j *journal) wantRecords(t testing.TB, n, first, last uint64) {
	t.Helper()
	want := first
	for {
		records, _, err := j.read(n, 1000)
		must(t, err)
		if len(records) == 0 {
			break
		}
		for _, r := range records {
			if r.n != want || !strings.HasPrefix(string(r.data), fmt.Sprintf("record %d,", r.n)) {
				t.Fatalf("record %d is %.20q, want number %d", r.n, r.data, want)
			}
			n, want = r.n, want+1
		}
	}
	if want != last+1 {
		t.Fatalf("the records end before %d, want them up to %d", want, last)
	}
}

func (j *journal) fill(t testing.TB, first, last int) {
	t.Helper()
	for n := first; n <= last; n++ {
		must(t, j.append(fmt.Appendf(nil, "record %d,%200d", n, n)))
	}
}

func TestJournal(t *testing.T) {
	dir := t.TempDir()
	j := openTestJournal(t, dir, 0)
	records, more, err := j.read(0, 100)
	must(t, err)
	if len(records) != 0 {
		t.Fatalf("a new journal has %d records", len(records))
	}
	j.fill(t, 1, 200)
	<-more
	j.wantRecords(t, 0, 1, 200)
	j.wantRecords(t, 150, 151, 200)
	must(t, j.acknowledge(120))
	must(t, j.acknowledge(100)) // late
	must(t, j.acknowledge(999)) // never given out
	j.wantRecords(t, 0, 121, 200)
	if waiting, dropped := j.depth(); waiting != 80 || dropped != 0 {
		t.Errorf("%d records wait, %d were dropped; want 80 and none", waiting, dropped)
	}
	if err := j.append(make([]byte, maxRecord+1)); err == nil {
		t.Error("a record that is too large was taken")
	}
	must(t, j.close())
	if err := j.append(nil); err == nil {
		t.Error("a closed journal takes records")
	}

	again := openTestJournal(t, dir, 0)
	if again.id != j.id || again.id == "" {
		t.Errorf("the identity is %q, was %q", again.id, j.id)
	}
	records, _, err = again.read(0, 1)
	must(t, err)
	if len(records) != 1 || records[0].n > 121 {
		t.Fatalf("after a restart the first record is %v, want one up to 121", records)
	}
	again.wantRecords(t, 0, records[0].n, 200)
	must(t, again.acknowledge(200))
	must(t, again.close())
	empty := openTestJournal(t, dir, 0)
	if waiting, _ := empty.depth(); waiting != 0 {
		t.Errorf("%d records come again though all were acknowledged", waiting)
	}
	empty.fill(t, 201, 201)
	empty.wantRecords(t, 0, 201, 201)
}

// The oldest records give way, and the files never take more than the limit.
func TestJournalLimit(t *testing.T) {
	const limit = 64 << 10
	dir := t.TempDir()
	j := openTestJournal(t, dir, limit)
	j.fill(t, 1, 1000)
	waiting, dropped := j.depth()
	if waiting+dropped != 1000 || dropped == 0 {
		t.Errorf("%d records wait and %d gave way, of 1000", waiting, dropped)
	}
	j.wantRecords(t, 0, dropped+1, 1000)
	var size int64
	files, err := os.ReadDir(dir)
	must(t, err)
	for _, f := range files {
		info, err := f.Info()
		must(t, err)
		size += info.Size()
	}
	if size > limit+100 || size < limit*3/4 {
		t.Errorf("the files have %d bytes, the limit is %d", size, limit)
	}
}

// A crash may cut the last record, at any byte, and leave rubbish in it.
func TestJournalTorn(t *testing.T) {
	dir := t.TempDir()
	j := openTestJournal(t, dir, 0)
	j.fill(t, 1, 3)
	must(t, j.close())
	path := filepath.Join(dir, fmt.Sprintf("%020d%s", 1, segmentSuffix))
	whole, err := os.ReadFile(path)
	must(t, err)
	size := len(whole) / 3
	for cut := 2*size + 1; cut < len(whole); cut++ {
		must(t, os.WriteFile(path, whole[:cut], 0o600))
		j := openTestJournal(t, dir, 0)
		j.wantRecords(t, 0, 1, 2)
		j.fill(t, 3, 3)
		j.wantRecords(t, 0, 1, 3)
		must(t, j.close())
	}
	whole[len(whole)-1] ^= 1
	must(t, os.WriteFile(path, whole, 0o600))
	openTestJournal(t, dir, 0).wantRecords(t, 0, 1, 2)
}

// A segment that lost its end in the middle costs what was in it, not what follows.
func TestJournalHole(t *testing.T) {
	dir := t.TempDir()
	j := openTestJournal(t, dir, 0)
	j.fill(t, 1, 100)
	second := j.segments[1].first
	must(t, j.close())
	must(t, os.Truncate(j.path(1), 500))
	j = openTestJournal(t, dir, 0)
	records, _, err := j.read(0, 1000)
	must(t, err)
	if len(records) != 2 || records[1].n != 2 {
		t.Errorf("before the hole there are %v, want 2 records", records)
	}
	j.wantRecords(t, 2, second, 100)
}
