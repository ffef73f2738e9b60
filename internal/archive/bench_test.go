package archive_test

import (
	"bytes"
	"strconv"
	"testing"

	"terrarium/internal/archive"
	"terrarium/internal/conda"
	"terrarium/internal/condatest"
)

// benchmarkRead reads a package of 1 MB in a format.
func benchmarkRead(b *testing.B, f conda.Format) {
	s := condatest.Spec{Format: f, PadTo: 1 << 20}
	content := condatest.Make(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := archive.Read(bytes.NewReader(content), int64(len(content)), s.FileName(), archive.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkReadConda(b *testing.B)  { benchmarkRead(b, conda.FormatConda) }
func BenchmarkReadTarBz2(b *testing.B) { benchmarkRead(b, conda.FormatTarBz2) }

// BenchmarkReadPaths reads a .conda whose paths.json has 10,000 entries.
func BenchmarkReadPaths(b *testing.B) {
	s := condatest.Spec{Files: manyFiles(10_000)}
	content := condatest.Make(b, s)
	b.ReportAllocs()
	for b.Loop() {
		if _, err := archive.Read(bytes.NewReader(content), int64(len(content)), s.FileName(), archive.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkCheckConda decodes the payload, too.
func BenchmarkCheckConda(b *testing.B) {
	s := condatest.Spec{PadTo: 8 << 20}
	content := condatest.Make(b, s)
	b.SetBytes(int64(len(content)))
	for b.Loop() {
		if err := archive.Check(bytes.NewReader(content), int64(len(content)), s.FileName(), archive.Limits{}); err != nil {
			b.Fatal(err)
		}
	}
}

// BenchmarkMake makes the package that most tests use.
func BenchmarkMake(b *testing.B) {
	for _, f := range formats {
		b.Run(string(f), func(b *testing.B) {
			for b.Loop() {
				condatest.Make(b, condatest.Spec{Format: f})
			}
		})
	}
}

// manyFiles gives n small files.
func manyFiles(n int) map[string]string {
	files := map[string]string{}
	for i := range n {
		files["lib/python3.13/site-packages/demo/module_"+string(rune('a'+i%26))+"/"+strconv.Itoa(i)+".py"] = "pass\n"
	}
	return files
}
