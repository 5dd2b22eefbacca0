package main

import (
	"crypto/rand"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
)

// A journal is a queue on disk: records are numbered from 1, appended at one end
// and dropped at the other once they are acknowledged. It never takes more than its
// limit: the oldest records go first, and are counted.
//
// Records lie in segments, files that are named after their first record. A
// record is its length, its CRC32c and its bytes; what a crash left half written at
// the end is cut off. Segments are dropped as a whole, so that after a crash some
// records come again that were acknowledged: their numbers tell.
type journal struct {
	dir   string
	limit int64
	id    string // of this journal: numbers begin anew with another
	sync  bool   // a record survives a power cut as soon as append returns

	mu       sync.Mutex
	segments []segment // the last one is written to
	out      *os.File
	next     uint64 // the number of the next record
	acked    uint64
	dropped  uint64        // records that gave way to newer ones
	changed  chan struct{} // closed and replaced when there is more
}

// segment is a file with the records from first on.
type segment struct {
	first uint64
	size  int64
}

// record is one with its number.
type record struct {
	n    uint64
	data []byte
}

const (
	journalSegments = 8       // of which one is dropped at a time
	maxRecord       = 4 << 10 // bytes
	recordHeader    = 8
	journalID       = "id"
	segmentSuffix   = ".log"
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// openJournal opens the journal in a directory, which is made if it is not there.
// It keeps to limit bytes, 64 KiB at least.
func openJournal(dir string, limit int64) (*journal, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	j := &journal{dir: dir, limit: max(limit, 64<<10), next: 1, changed: make(chan struct{})}
	if err := j.identify(); err != nil {
		return nil, err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries { // sorted by name, which has 20 digits
		digits, isSegment := strings.CutSuffix(e.Name(), segmentSuffix)
		first, err := strconv.ParseUint(digits, 10, 64)
		if !isSegment || err != nil {
			continue
		}
		// Only the last one may have a torn end, but a disk may do anything: a number
		// that is missing is a record that was lost, one that comes twice cannot be.
		if first < j.next && len(j.segments) > 0 {
			return nil, fmt.Errorf("journal %s: %s overlaps the one before", dir, e.Name())
		}
		count, size, err := scanSegment(j.path(first))
		if err != nil {
			return nil, err
		}
		if err := os.Truncate(j.path(first), size); err != nil {
			return nil, err
		}
		j.segments = append(j.segments, segment{first, size})
		j.next = first + count
	}
	if len(j.segments) == 0 {
		return j, j.begin()
	}
	j.acked = j.segments[0].first - 1
	j.out, err = os.OpenFile(j.path(j.segments[len(j.segments)-1].first), os.O_WRONLY|os.O_APPEND, 0o600)
	return j, err
}

// identify reads the journal's identity, or gives it one.
func (j *journal) identify() error {
	path := filepath.Join(j.dir, journalID)
	b, err := os.ReadFile(path)
	if err == nil && len(b) > 0 {
		j.id = string(b)
		return nil
	}
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	j.id = rand.Text()
	return os.WriteFile(path, []byte(j.id), 0o600)
}

func (j *journal) path(first uint64) string {
	return filepath.Join(j.dir, fmt.Sprintf("%020d%s", first, segmentSuffix))
}

// begin begins a segment.
func (j *journal) begin() error {
	out, err := os.OpenFile(j.path(j.next), os.O_CREATE|os.O_EXCL|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return err
	}
	if j.out != nil {
		j.out.Close()
	}
	j.out = out
	j.segments = append(j.segments, segment{first: j.next})
	return nil
}

// append adds a record of at most 4 KiB.
func (j *journal) append(data []byte) error {
	if len(data) > maxRecord {
		return fmt.Errorf("a record of %d bytes: more than %d", len(data), maxRecord)
	}
	b := make([]byte, recordHeader, recordHeader+len(data))
	binary.BigEndian.PutUint32(b, uint32(len(data)))
	binary.BigEndian.PutUint32(b[4:], crc32.Checksum(data, castagnoli))
	b = append(b, data...)
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.out == nil {
		return os.ErrClosed
	}
	if last := &j.segments[len(j.segments)-1]; last.size > 0 && last.size+int64(len(b)) > j.limit/journalSegments {
		if err := j.begin(); err != nil {
			return err
		}
		for len(j.segments) > journalSegments {
			if err := j.dropOldest(); err != nil {
				return err
			}
		}
	}
	last := &j.segments[len(j.segments)-1]
	if _, err := j.out.Write(b); err != nil {
		// Half a record would hide those behind it.
		return errors.Join(err, j.out.Truncate(last.size))
	}
	if j.sync {
		if err := j.out.Sync(); err != nil {
			return errors.Join(err, j.out.Truncate(last.size))
		}
	}
	last.size += int64(len(b))
	j.next++
	close(j.changed)
	j.changed = make(chan struct{})
	return nil
}

// dropOldest makes room. j.mu is held.
func (j *journal) dropOldest() error {
	if err := os.Remove(j.path(j.segments[0].first)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	j.segments = slices.Delete(j.segments, 0, 1)
	if end := j.segments[0].first - 1; end > j.acked {
		j.dropped += end - j.acked
		j.acked = end
	}
	return nil
}

// acknowledge drops the records up to number n.
func (j *journal) acknowledge(n uint64) error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.out == nil {
		return os.ErrClosed
	}
	if n <= j.acked || n >= j.next {
		return nil
	}
	j.acked = n
	if n == j.next-1 && j.segments[len(j.segments)-1].size > 0 { // nothing is left: not to come again after a crash
		if err := j.begin(); err != nil {
			return err
		}
	}
	for len(j.segments) > 1 && j.segments[1].first <= n+1 {
		if err := j.dropOldest(); err != nil {
			return err
		}
	}
	return nil
}

// read returns the records after number n, as many as fit into limit bytes but at
// least one if there is one, and a channel that is closed when there are more.
func (j *journal) read(n uint64, limit int) ([]record, <-chan struct{}, error) {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.out == nil {
		return nil, nil, os.ErrClosed
	}
	n = max(n, j.acked)
	if n+1 >= j.next {
		return nil, j.changed, nil
	}
	i := len(j.segments) - 1
	for i > 0 && j.segments[i].first > n+1 {
		i--
	}
	for ; i < len(j.segments); i++ { // the next one where numbers are missing
		records, err := readSegment(j.path(j.segments[i].first), j.segments[i].first, n, limit)
		if len(records) > 0 || err != nil {
			return records, j.changed, err
		}
	}
	return nil, j.changed, nil
}

// readSegment returns the records of a file after number n.
func readSegment(path string, first, n uint64, limit int) ([]record, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var records []record
	in := newRecordReader(f)
	for at := first; ; at++ {
		data, err := in.next()
		if err == io.EOF {
			return records, nil
		}
		if err != nil {
			return records, err
		}
		if at <= n {
			continue
		}
		if limit -= len(data); limit < 0 && len(records) > 0 {
			return records, nil
		}
		records = append(records, record{at, slices.Clone(data)})
	}
}

// depth returns how many records wait, and how many gave way.
func (j *journal) depth() (waiting, dropped uint64) {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.next - 1 - j.acked, j.dropped
}

func (j *journal) close() error {
	j.mu.Lock()
	defer j.mu.Unlock()
	if j.out == nil {
		return nil
	}
	err := j.out.Close()
	j.out = nil
	close(j.changed)
	return err
}

// scanSegment counts the records of a file that are whole, and their bytes.
func scanSegment(path string) (count uint64, size int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return 0, 0, err
	}
	defer f.Close()
	in := newRecordReader(f)
	for {
		data, err := in.next()
		switch {
		case err == io.EOF || errors.Is(err, errTorn):
			return count, size, nil
		case err != nil:
			return 0, 0, err
		}
		count++
		size += recordHeader + int64(len(data))
	}
}
