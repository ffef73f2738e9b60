//go:build bench

// Package bench measures what publishing costs as a channel grows: the real
// program with synthetic channels, beside another indexer on the same records.
// It judges growth and ratios; absolute times depend on the machine and are
// only reported. docs/benchmarks.md explains the figures.
package bench

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/klauspost/compress/zstd"
)

// subdir is the one subdir of the synthetic channels.
const subdir = "linux-64"

// synthetic is a channel in the likeness of conda-forge: lognormal numbers of
// records per name (median 5, σ 1.7, at most 5,911), variants by Python, bumps
// of version and build, pins that drift with them. The first names of a large
// channel are those of a small one, so that sizes can be compared.
type synthetic struct {
	names   []*line
	records int
}

// line is one package name with all that is there of it.
type line struct {
	name    string
	records []record
}

// record is one file.
type record struct {
	fileName string
	json     []byte
	exports  string // the object of its run exports, which about a fifth have; else ""
}

// text is the record as the source writes it.
func (r record) text() []byte {
	if r.exports == "" {
		return r.json
	}
	return fmt.Appendf(slices.Clone(r.json[:len(r.json)-1]), `,"run_exports":%s}`, r.exports)
}

const seed = 20261121

// medianRecords, sigma and mostRecords are the distribution of records per name.
const (
	medianRecords = 5
	sigma         = 1.7
	mostRecords   = 5911
)

// newSynthetic makes a channel of n records, the same for the same n.
func newSynthetic(n int) *synthetic {
	s := &synthetic{}
	taken := map[string]bool{}
	for i := uint64(0); s.records < n; i++ {
		l := newLine(rand.New(rand.NewPCG(seed, i)), taken, s.names, n-s.records)
		s.names = append(s.names, l)
		s.records += len(l.records)
	}
	return s
}

// newLine makes the next name with at most that many records. Its dependencies
// are among the names before it.
func newLine(r *rand.Rand, taken map[string]bool, before []*line, most int) *line {
	l := &line{name: newName(r, taken)}
	count := int(math.Exp(math.Log(medianRecords) + sigma*r.NormFloat64()))
	count = min(max(count, 1), mostRecords, most)

	python := r.IntN(10) < 6
	needs := make([]string, 0, 10)
	for range min(1+r.IntN(8), len(before)) {
		needs = append(needs, before[int(float64(len(before))*math.Pow(r.Float64(), 3))].name) // the early ones are popular
	}
	license := licences[int(float64(len(licences))*math.Pow(r.Float64(), 2))]
	size := math.Exp(11 + 2*r.NormFloat64())
	at := time.Date(2017, 1, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(r.Int64N(int64(8 * 365 * 24 * time.Hour))))

	v := [3]int{r.IntN(3), r.IntN(10), 0}
	build := 0
	for len(l.records) < count {
		variants := []string{""}
		if python {
			newest := 6 + at.Year() - 2017 // the Python of the day
			variants = variants[:0]
			for minor := newest - 3; minor <= newest; minor++ {
				variants = append(variants, fmt.Sprint("3.", max(6, minor)))
			}
		}
		for _, py := range variants {
			if len(l.records) < count {
				l.records = append(l.records, newRecord(r, l.name, v, build, py, needs, license, size, at))
			}
		}
		switch x := r.IntN(100); {
		case x < 20:
			build++
		case x < 80:
			v[2]++
			build = 0
		case x < 96:
			v[1], v[2], build = v[1]+1, 0, 0
		default:
			v[0], v[1], v[2], build = v[0]+1, 0, 0, 0
		}
		at = at.Add(time.Duration(r.Int64N(int64(40 * 24 * time.Hour))))
		size *= 1 + 0.02*r.NormFloat64()
	}
	return l
}

// newRecord writes one record as repodata.json holds it.
func newRecord(r *rand.Rand, name string, v [3]int, build int, python string, needs []string, license string, size float64, at time.Time) record {
	version := fmt.Sprintf("%d.%d.%d", v[0], v[1], v[2])
	drawn := r.Uint32() >> 4
	hash := fmt.Sprintf("h%07x", drawn)
	if python != "" {
		hash = "py" + python[:1] + python[2:] + hash
	}
	buildString := fmt.Sprintf("%s_%d", hash, build)
	extension := ".conda"
	if at.Year() < 2022 {
		extension = ".tar.bz2"
	}
	b := fmt.Appendf(nil, `{"build":%q,"build_number":%d,"depends":["__glibc >=2.17,<3.0.a0","libgcc >=%d"`, buildString, build, 7+(at.Year()-2017)/2)
	for i, need := range needs {
		switch (i + v[1]) % 3 {
		case 0:
			b = fmt.Appendf(b, `,"%s >=%d.%d.%d,<%d.0a0"`, need, v[0], at.Year()-2016, i, v[0]+1)
		case 1:
			b = fmt.Appendf(b, `,"%s >=%d.%d"`, need, 1+i, at.YearDay()/30)
		default:
			b = fmt.Appendf(b, `,"%s"`, need)
		}
	}
	if python != "" {
		var minor int
		_, _ = fmt.Sscan(python[2:], &minor) // written by newLine
		b = fmt.Appendf(b, `,"python >=%s,<3.%d.0a0","python_abi %s.* *_cp3%d"`, python, minor+1, python, minor)
	}
	b = fmt.Appendf(b, `],"license":%q,"md5":"%016x%016x","name":%q,"sha256":"%016x%016x%016x%016x","size":%d,"subdir":%q,"timestamp":%d,"version":%q}`,
		license, r.Uint64(), r.Uint64(), name, r.Uint64(), r.Uint64(), r.Uint64(), r.Uint64(), 1000+int64(size), subdir, at.UnixMilli(), version)
	rec := record{fileName: name + "-" + version + "-" + buildString + extension, json: b}
	if drawn%5 == 0 { // nothing is drawn for it, so that all else is as it would be without
		rec.exports = fmt.Sprintf(`{"weak":["%s >=%s,<%d.0a0"]}`, name, version, v[0]+1)
	}
	return rec
}

// newName makes a name that nobody has yet.
func newName(r *rand.Rand, taken map[string]bool) string {
	for {
		name := prefixes[r.IntN(len(prefixes))]
		for range 2 + r.IntN(3) {
			name += syllables[r.IntN(len(syllables))]
		}
		name += suffixes[r.IntN(len(suffixes))]
		if !taken[name] {
			taken[name] = true
			return name
		}
	}
}

var (
	prefixes  = []string{"", "", "", "", "", "py", "lib", "r-", "perl-", "go-", "jupyter-", "google-cloud-"}
	suffixes  = []string{"", "", "", "", "", "-core", "-devel", "-cpp", "-utils", "-plugin", "-python", "2"}
	syllables = []string{
		"ar", "ba", "cho", "da", "el", "fi", "gra", "hy", "in", "jo", "ka", "lo", "me", "ni", "or", "pan", "qua", "ro",
		"sci", "ta", "um", "vec", "wa", "xy", "yo", "zar", "num", "spec", "ten", "sor", "flow", "net", "geo", "bio",
	}
	licences = []string{
		"MIT", "BSD-3-Clause", "Apache-2.0", "GPL-3.0-or-later", "LGPL-2.1-or-later", "BSD-2-Clause", "GPL-2.0-only",
		"ISC", "MPL-2.0", "PSF-2.0", "Zlib", "CC0-1.0", "Artistic-1.0-Perl OR GPL-1.0-or-later", "LicenseRef-Proprietary",
	}
)

// write puts SUBDIR/repodata.json.zst into a folder and gives the bytes of its
// JSON text.
func (s *synthetic) write(t testing.TB, root string) int64 {
	t.Helper()
	if err := os.MkdirAll(filepath.Join(root, subdir), 0o755); err != nil {
		t.Fatal(err)
	}
	f, err := os.Create(filepath.Join(root, subdir, "repodata.json.zst"))
	if err != nil {
		t.Fatal(err)
	}
	z, err := zstd.NewWriter(f, zstd.WithEncoderLevel(zstd.SpeedFastest))
	if err != nil {
		t.Fatal(err)
	}
	w := bufio.NewWriterSize(z, 1<<20)
	written := s.writeJSON(w)
	for _, end := range []func() error{w.Flush, z.Close, f.Close} {
		if err := end(); err != nil {
			t.Fatal(err)
		}
	}
	return written
}

// writeJSON writes repodata.json; the error of w comes out at its Flush.
func (s *synthetic) writeJSON(w *bufio.Writer) (written int64) {
	put := func(text ...string) {
		for _, part := range text {
			n, _ := w.WriteString(part)
			written += int64(n)
		}
	}
	put(`{"info":{"subdir":"`, subdir, `"},"packages":{`)
	for _, extension := range []string{".tar.bz2", ".conda"} {
		comma := ""
		for _, l := range s.names {
			for _, rec := range l.records {
				if filepath.Ext(rec.fileName) == filepath.Ext(extension) {
					put(comma, `"`, rec.fileName, `":`, string(rec.text()))
					comma = ","
				}
			}
		}
		if extension == ".tar.bz2" {
			put(`},"packages.conda":{`)
		}
	}
	put(`},"repodata_version":1}`)
	return written
}

// digest tells channels of other versions of this bench apart.
func (s *synthetic) digest() string {
	d := sha256.New()
	w := bufio.NewWriter(d)
	s.writeJSON(w)
	_ = w.Flush() // a digest takes everything
	return fmt.Sprintf("%x", d.Sum(nil))
}

// revise gives the first so many of every step-th record another text, as a hotfix of
// the source would: their files are the same.
func (s *synthetic) revise(count, step int) {
	place := 0
	for _, l := range s.names {
		for i := range l.records {
			if place%step == 0 && place/step < count {
				l.records[i].json = bytes.Replace(l.records[i].json, []byte(`,"license":`), []byte(`,"license_family":"revised","license":`), 1)
			}
			place++
		}
	}
}

// pick gives a name, each in proportion to its records: what is published
// often is what has many files.
func (s *synthetic) pick(r *rand.Rand) *line {
	n := r.IntN(s.records)
	for _, l := range s.names {
		if n -= len(l.records); n < 0 {
			return l
		}
	}
	return s.names[len(s.names)-1]
}
