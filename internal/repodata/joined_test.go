package repodata_test

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"terrarium/internal/repodata"
)

// TestJoined reads documents of none, one and several entries in every way that a server
// reads them.
func TestJoined(t *testing.T) {
	for n := range 5 {
		var entries [][]byte
		var texts []string
		for i := range n {
			texts = append(texts, fmt.Sprintf(`"p%d":{}`, i))
			entries = append(entries, []byte(texts[i]))
		}
		want := []byte(`{"packages":{` + strings.Join(texts, ",") + `}}`)
		j := repodata.NewJoined([]byte(`{"packages":{`), entries, []byte(`}}`))
		if j.Size() != int64(len(want)) {
			t.Errorf("of %d entries it has %d bytes, want %d", n, j.Size(), len(want))
		}
		if err := iotest.TestReader(j.Open(), want); err != nil {
			t.Errorf("of %d entries: %v", n, err)
		}
		var out bytes.Buffer
		if _, err := io.Copy(&out, j.Open()); err != nil || !bytes.Equal(out.Bytes(), want) {
			t.Errorf("of %d entries it is written as %q, %v", n, &out, err)
		}
		for from := range want {
			r := j.Open()
			if _, err := r.Seek(int64(from), io.SeekStart); err != nil {
				t.Fatal(err)
			}
			if got, err := io.ReadAll(r); err != nil || !bytes.Equal(got, want[from:]) {
				t.Errorf("of %d entries from %d on it is %q, %v", n, from, got, err)
			}
		}
	}
}
